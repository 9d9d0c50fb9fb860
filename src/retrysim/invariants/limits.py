"""Invariants about rate limits: is the quota kept, and does a retry start when the limit lets it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from retrysim.clock import time_of_day
from retrysim.durations import format_duration
from retrysim.invariants.invariant import Judgement, Problem
from retrysim.invariants.select import Names, calls_of, tasks_of
from retrysim.invariants.sentence import Sentence
from retrysim.invariants.slots import waited_for_a_slot
from retrysim.trace import ApiCalled, TaskHistory, Trace


@Sentence
def quota_is_respected(trace: Trace, /, *, fake: str | None = None, endpoint: str | None = None) -> Judgement:
    """No window of a limit (of the fake, of the endpoint) served more calls than the limit says."""
    served: Counter[tuple[str, str, str, int]] = Counter()
    problems = []
    limited = [call for call in calls_of(trace, fake, endpoint) if call.limit is not None and call.reset_ns is not None]
    for call in limited:
        if call.decision != "served":
            continue
        window = (call.fake, call.bucket, call.partition, call.reset_ns or 0)
        served[window] += 1
        if call.limit is not None and served[window] > call.limit:
            text = (
                f"{_caller(trace, call)} got call {served[window]} of {call.bucket} served in a window of {call.limit} "
                f"({call.partition}, until {time_of_day(call.reset_ns or 0)})"
            )
            problems.append(Problem(text=text, task_id=call.task_id))
    return Judgement(judged=len(limited), of="call of a limited endpoint", problems=tuple(problems))


@Sentence
def retries_start_at_reset(
    trace: Trace, /, *, task: Names | None = None, fake: str | None = None, endpoint: str | None = None
) -> Judgement:
    """Every attempt that was refused for its rate is followed by a retry that starts when the limit opens again.

    Exactly then: not a microsecond earlier, and not later than the answer said (which some round up), unless it was due
    then and every slot was taken.
    """
    judged = 0
    problems = []
    for history in tasks_of(trace, task):
        for refused, started_ns in _refused_attempts(history):
            if fake not in (None, refused.fake) or endpoint not in (None, refused.endpoint):
                continue
            judged += 1
            text = _judge_retry(trace, history, refused, started_ns)
            if text:
                problems.append(Problem(text=text, task_id=history.task_id))
    return Judgement(judged=judged, of="attempt that was refused for its rate", problems=tuple(problems))


def _refused_attempts(task: TaskHistory) -> Iterator[tuple[ApiCalled, int | None]]:
    """Each attempt's first refused call, and when the next attempt started."""
    starts = {attempt.number: attempt.start_ns for attempt in task.attempts}
    seen: set[int] = set()
    for call in task.api_calls:
        if call.decision == "limited" and call.attempt is not None and call.attempt not in seen:
            seen.add(call.attempt)
            yield call, starts.get(call.attempt + 1)


def _judge_retry(trace: Trace, task: TaskHistory, refused: ApiCalled, started_ns: int | None) -> str | None:
    opens_ns = refused.retry_at_ns
    if started_ns is None:
        return (
            f"{task.label} was refused ({refused.status}, {refused.endpoint}) at {time_of_day(refused.at_ns)} "
            f"and never tried again: {task.timeline}"
        )
    if opens_ns is None or opens_ns <= started_ns <= (refused.told_ns or opens_ns):
        return None
    if waited_for_a_slot(trace, task, opens_ns, started_ns):
        return None
    apart = format_duration(abs(started_ns - opens_ns))
    when = "before" if started_ns < opens_ns else "after"
    return (
        f"{task.label} started its retry {apart} {when} the reset "
        f"(at {time_of_day(started_ns)}, reset {time_of_day(opens_ns)}, {refused.endpoint})"
    )


@Sentence
def nobody_calls_while_limited(trace: Trace, /, *, fake: str | None = None, endpoint: str | None = None) -> Judgement:
    """Nobody calls an endpoint again before the instant at which a refusal said it would be served."""
    closed_until: dict[tuple[str, str, str], int] = {}
    problems = []
    calls = calls_of(trace, fake, endpoint)
    for call in calls:
        key = (call.fake, call.bucket, call.partition)
        until_ns = closed_until.get(key, 0)
        if call.at_ns < until_ns:
            text = (
                f"{_caller(trace, call)} called {call.endpoint} {format_duration(until_ns - call.at_ns)} too early "
                f"(at {time_of_day(call.at_ns)}, closed until {time_of_day(until_ns)})"
            )
            problems.append(Problem(text=text, task_id=call.task_id))
        if call.decision == "limited" and call.retry_at_ns is not None and call.at_ns >= until_ns:
            closed_until[key] = call.retry_at_ns
    return Judgement(judged=len(calls), of="API call", problems=tuple(problems))


def _caller(trace: Trace, call: ApiCalled) -> str:
    return trace.tasks[call.task_id].label if call.task_id in trace.tasks else "somebody outside of all tasks"
