"""Invariants about retries: does each start when it was asked for, and are they counted right?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from retrysim.clock import time_of_day
from retrysim.durations import Duration, format_duration
from retrysim.invariants.invariant import Judgement, Problem
from retrysim.invariants.policy import Policy, chosen
from retrysim.invariants.select import Names, tasks_of
from retrysim.invariants.sentence import Sentence
from retrysim.invariants.slots import waited_for_a_slot
from retrysim.trace import Attempt, TaskHistory, TaskRetried, TaskSent, Trace


@Sentence
def retries_follow_policy(
    trace: Trace,
    declared: Any = None,
    /,
    *,
    task: Names | None = None,
    countdown: Duration | None = None,
    backoff: Duration | None = None,
    maximum: Duration | None = None,
    jitter: bool = False,
    at: str = "",
) -> Judgement:
    """Every retry starts at the instant that the task's policy implies, to the microsecond.

    As it is, it holds a task to what its own ``retry()`` asked for: each retry starts at its countdown or ETA (or when
    a slot becomes free, if all were taken), and no attempt begins that no retry asked for. Given a Celery task, it
    holds that task to the options it declares (``autoretry_for``, ``retry_backoff``, ``retry_backoff_max``,
    ``retry_jitter``, ``retry_kwargs``). Given ``countdown``, ``backoff`` (with ``maximum`` and ``jitter``: anything
    from nothing to the backoff) or ``at="reset"`` (what the API's answer named), it holds it to that.
    """
    policy = chosen(declared, countdown=countdown, backoff=backoff, maximum=maximum, jitter=jitter, at=at)
    judged = 0
    problems = []
    for history in tasks_of(trace, declared.name if declared is not None and task is None else task):
        judged += len(history.retries)
        texts = [*_not_as_implied(history, policy), *_not_as_asked(trace, history), *_unasked(history)]
        problems += [Problem(text=text, task_id=history.task_id) for text in texts]
    return Judgement(judged=judged, of="retry", problems=tuple(problems))


def _not_as_implied(task: TaskHistory, policy: Policy | None) -> Iterator[str]:
    """The retries that asked for another instant than the policy implies."""
    for number, retry in enumerate(task.retries):
        bounds = None if policy is None else policy(task, number)
        if bounds is not None and not bounds[0] <= retry.due_ns <= bounds[1]:
            yield (
                f"{task.label} asked at {time_of_day(retry.at_ns)} for retry {number + 1} in "
                f"{format_duration(retry.due_ns - retry.at_ns)}; its policy implies {_span(retry, *bounds)}"
            )


def _span(retry: TaskRetried, least_ns: int, most_ns: int) -> str:
    spans = [format_duration(ns - retry.at_ns) for ns in dict.fromkeys((least_ns, most_ns))]
    return " to ".join(spans)


def _not_as_asked(trace: Trace, task: TaskHistory) -> Iterator[str]:
    """The retries that did not start when they were due."""
    for number, (retry, started_ns) in enumerate(_started(task), 1):
        due_ns = max(retry.due_ns, retry.at_ns)
        if started_ns is None:
            if trace.ended is not None and trace.ended.at_ns >= due_ns:
                yield f"{task.label} never started its retry {number}, due at {time_of_day(due_ns)}: {task.timeline}"
        elif started_ns != due_ns and not waited_for_a_slot(trace, task, retry.due_ns, started_ns):
            apart = format_duration(abs(started_ns - due_ns))
            when = f"{apart} {'before' if started_ns < due_ns else 'after'} it was due"
            instants = f"(at {time_of_day(started_ns)}, due {time_of_day(due_ns)})"
            yield f"{task.label} started its retry {number} {when} {instants}"


def _started(task: TaskHistory) -> Iterator[tuple[TaskRetried, int | None]]:
    """Each retry and when its attempt began."""
    asked = _asked(task)
    for retry in task.retries:
        attempt = asked.get(retry)
        yield retry, None if attempt is None else attempt.start_ns


def _asked(task: TaskHistory) -> dict[TaskRetried, Attempt]:
    """Each retry and its attempt: the one that began when it was due, else the next that no other retry has."""
    asked: dict[TaskRetried, Attempt] = {}
    for retry in sorted(task.retries, key=lambda retry: retry.due_ns):
        later = [a for a in task.attempts if a.start_ns >= retry.at_ns and a.number != 1 and a not in asked.values()]
        when_due = [attempt for attempt in later if attempt.start_ns == max(retry.due_ns, retry.at_ns)]
        if later:
            asked[retry] = (when_due or later)[0]
    return asked


def _unasked(task: TaskHistory) -> Iterator[str]:
    """The attempts that came though an earlier one still ran, or had ended without a retry: copies of a message."""
    asked = _asked(task).values()
    for before, attempt in pairwise(task.attempts):
        if before.end_ns is None or attempt in asked:
            continue
        still_ran = before.end_ns > attempt.start_ns
        why = f"still ran on {before.worker}" if still_ran else f"had ended in {before.state}"
        yield (
            f"{task.label} began attempt {attempt.number} on {attempt.worker} at {time_of_day(attempt.start_ns)}, "
            f"which no retry asked for: attempt {before.number} {why}"
        )


@Sentence
def retry_counts_are_respected(
    trace: Trace, declared: Any = None, /, *, task: Names | None = None, at_most: int | None = None
) -> Judgement:
    """Each retry is counted once, and no task is retried more often than it may be.

    As it is, it finds a task whose copies are each retried on their own: a count that was published twice. Given
    ``at_most``, or a Celery task (whose ``max_retries`` is taken), it also finds a count above that.
    """
    most = declared.max_retries if declared is not None and at_most is None else at_most
    judged = 0
    problems = []
    for history in tasks_of(trace, declared.name if declared is not None and task is None else task):
        counts = Counter(event.retries for event in history.events if isinstance(event, TaskSent))
        judged += sum(count > 0 for count in counts)
        problems += [Problem(text=text, task_id=history.task_id) for text in _miscounted(history, counts, most)]
    return Judgement(judged=judged, of="retry", problems=tuple(problems))


def _miscounted(task: TaskHistory, counts: Counter[int], most: int | None) -> Iterator[str]:
    for count in sorted(counts):
        if count and counts[count] > 1:
            yield f"{task.label} published its retry {count} {counts[count]} times: its copies are retried on their own"
    highest = max(counts, default=0)
    if most is not None and highest > most:
        yield f"{task.label} was retried {highest} times, and may be {most} times: {task.timeline}"
