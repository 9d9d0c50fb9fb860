"""The story of calls: ``"180x200 20x429 15m 20x200"``, how many were answered with what, and the time between."""

from __future__ import annotations

from collections.abc import Iterable

from retrysim.durations import format_duration
from retrysim.trace.line import Line


def story_of(answers: Iterable[tuple[int, str]]) -> Line:
    """The story of ``(at_ns, answer)`` pairs in the order of time.

    Equal answers at one instant are one group; between two groups stands the time
    from a group's last call to the next one.
    """
    words: list[str] = []
    before_ns: int | None = None
    answer, count = "", 0
    for at_ns, answered in answers:
        pause_ns = 0 if before_ns is None else at_ns - before_ns
        if count and (answered != answer or pause_ns):
            words.append(f"{count}x{answer}")
            count = 0
        if pause_ns:
            words.append(format_duration(pause_ns))
        answer, count, before_ns = answered, count + 1, at_ns
    if count:
        words.append(f"{count}x{answer}")
    return Line(" ".join(words))


def groups_of(answers: Iterable[tuple[int, str]]) -> list[tuple[str, int]]:
    """The groups of a story as ``(answer, count)`` pairs."""
    words = (word for word in story_of(answers).split() if "x" in word)
    return [(answer, int(count)) for count, _, answer in (word.partition("x") for word in words)]
