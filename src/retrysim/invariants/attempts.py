"""Invariants about attempts: does a task run twice at once, too often, or after somebody revoked it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from retrysim.clock import time_of_day
from retrysim.invariants.invariant import Judgement, Problem
from retrysim.invariants.select import Names, tasks_of
from retrysim.invariants.sentence import Sentence
from retrysim.trace import Attempt, TaskHistory, TaskRevoked, TaskStarted, TaskSucceeded, Trace


@Sentence
def no_two_attempts_overlap(trace: Trace, /, *, task: Names | None = None) -> Judgement:
    """No attempt of a task begins while another of the same task still runs: no two workers hold its message."""
    problems, tasks = [], list(tasks_of(trace, task))
    for history in tasks:
        for one, other in _overlapping(history.attempts):
            text = (
                f"{history.label} began attempt {other.number} on {other.worker} at {time_of_day(other.start_ns)}, "
                f"while attempt {one.number} ran on {one.worker} until {time_of_day(one.end_ns or 0)}"
            )
            problems.append(Problem(text=text, task_id=history.task_id))
    return Judgement(judged=_attempts(tasks), of="attempt", problems=tuple(problems))


@Sentence
def effects_happen_once(trace: Trace, /, *, task: Names | None = None) -> Judgement:
    """No task succeeds twice, and none runs again after it succeeded."""
    problems, tasks = [], list(tasks_of(trace, task))
    for history in tasks:
        succeeded_ns: int | None = None
        for event in history.events:
            if isinstance(event, TaskStarted) and succeeded_ns is not None:
                text = (
                    f"{history.label} had succeeded at {time_of_day(succeeded_ns)} and ran again "
                    f"at {time_of_day(event.at_ns)} (attempt {event.attempt}, on {event.worker})"
                )
                problems.append(Problem(text=text, task_id=history.task_id))
            elif isinstance(event, TaskSucceeded):
                succeeded_ns = event.at_ns
    return Judgement(judged=_attempts(tasks), of="attempt", problems=tuple(problems))


@Sentence
def nothing_runs_after_revoke(trace: Trace, /, *, task: Names | None = None) -> Judgement:
    """No attempt of a task begins after the task was revoked or had expired."""
    problems, tasks = [], list(tasks_of(trace, task))
    for history in tasks:
        revoked_ns = next((event.at_ns for event in history.events if isinstance(event, TaskRevoked)), None)
        for attempt in history.attempts:
            if revoked_ns is not None and attempt.start_ns > revoked_ns:
                text = (
                    f"{history.label} was revoked at {time_of_day(revoked_ns)} and began attempt {attempt.number} "
                    f"at {time_of_day(attempt.start_ns)}"
                )
                problems.append(Problem(text=text, task_id=history.task_id))
    revoked = sum(any(isinstance(event, TaskRevoked) for event in history.events) for history in tasks)
    return Judgement(judged=revoked, of="revoked task", problems=tuple(problems))


def _overlapping(attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Attempt]]:
    """Each attempt that began while an earlier one ran, after that of them which ran the longest."""
    longest: Attempt | None = None
    for attempt in attempts:
        if longest is not None and attempt.start_ns < (longest.end_ns or 0):
            yield longest, attempt
        longest = max((longest or attempt, attempt), key=lambda one: one.end_ns or 0)


def _attempts(tasks: list[TaskHistory]) -> int:
    return sum(len(task.attempts) for task in tasks)
