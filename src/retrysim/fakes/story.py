"""Views of a fake's calls: pure functions from the list of calls to what a test wants to say about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retrysim.fakes.call import Call
from retrysim.trace.story import bursts_of, story_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one partition got in one window: how many calls were served, and how many were turned away."""

    partition: str
    reset_ns: int
    served: int
    limited: int


def tell(calls: Sequence[Call], *, within_ns: int | None = None) -> str:
    """The calls as a line: ``180x200 20x429 15m 20x200``.

    Equal answers at one instant are one group; between two groups stands the time from the last call of the one
    to the first of the other, if any passed. ``within_ns`` gathers calls that jitter has spread.
    """
    answers = [(call.at_ns, call.answer) for call in calls]
    return bursts_of(answers, within_ns) if within_ns else story_of(answers)


def count(calls: Iterable[Call]) -> dict[str, dict[str, int]]:
    """How often each endpoint gave each answer: ``{"GET /a": {"200": 180, "429": 20}}``."""
    counts: dict[str, dict[str, int]] = {}
    for call in calls:
        answers = counts.setdefault(call.endpoint, {})
        answers[call.answer] = answers.get(call.answer, 0) + 1
    return counts


def limited(calls: Iterable[Call]) -> list[Call]:
    """The calls that were made while the limit was exhausted."""
    return [call for call in calls if call.decision == "limited"]


def too_early(calls: Iterable[Call]) -> list[Call]:
    """The limited calls of a caller who had been told at an earlier instant to wait longer than that."""
    first_calls: dict[tuple[str, str], Call] = {}
    early: list[Call] = []
    for call in limited(calls):
        first = first_calls.get((call.bucket, call.partition))
        if first is None or first.retry_at_ns is None or call.at_ns >= first.retry_at_ns:
            first_calls[call.bucket, call.partition] = call
        elif call.at_ns > first.at_ns:
            early.append(call)
    return early


def longest_wait_ns(calls: Iterable[Call]) -> int:
    """The longest time that a limited call was away from being served; 0 when none was limited."""
    waits = (call.retry_at_ns - call.at_ns for call in limited(calls) if call.retry_at_ns is not None)
    return max(waits, default=0)


def windows(calls: Iterable[Call]) -> list[Window]:
    """The windows in which the calls were counted, by the reset they tell, in order of appearance."""
    counted: dict[tuple[str, int], list[int]] = {}
    for call in calls:
        if call.reset_ns is not None:
            served_and_limited = counted.setdefault((call.partition, call.reset_ns), [0, 0])
            served_and_limited[call.decision == "limited"] += 1
    return [
        Window(partition=partition, reset_ns=reset_ns, served=served, limited=limited)
        for (partition, reset_ns), (served, limited) in counted.items()
    ]
