"""The story of calls: ``"180x200 20x429 15m 20x200"``, how many were answered with what, and the time between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from retrysim.durations import format_duration
from retrysim.trace.words import Words


def story_of(answers: Iterable[tuple[int, str]]) -> Words:
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
    return Words(" ".join(words))


def bursts_of(answers: Iterable[tuple[int, str]], within_ns: int) -> Words:
    """The story of calls that jitter has spread: a call less than ``within_ns`` after the one before belongs to it.

    Equal answers of one burst are one group, and between two bursts stands the time from the start of the one to the
    start of the other, in whole multiples of ``within_ns``.
    """
    bursts: list[tuple[int, Counter[str]]] = []
    last_ns: int | None = None
    for at_ns, answer in answers:
        if last_ns is None or at_ns - last_ns >= within_ns:
            bursts.append((at_ns, Counter()))
        bursts[-1][1][answer] += 1
        last_ns = at_ns
    words: list[str] = []
    for before, (start_ns, counts) in zip([None, *bursts], bursts, strict=False):
        if before is not None:
            words.append(format_duration(max(1, round((start_ns - before[0]) / within_ns)) * within_ns))
        words += [f"{count}x{answer}" for answer, count in counts.items()]
    return Words(" ".join(words))


def groups_of(answers: Iterable[tuple[int, str]]) -> list[tuple[str, int]]:
    """The groups of a story as ``(answer, count)`` pairs."""
    words = (word for word in story_of(answers).split() if "x" in word)
    return [(answer, int(count)) for count, _, answer in (word.partition("x") for word in words)]
