"""Invariants about what a task does to the world: are its calls repeated, does it take too long?"""

from __future__ import annotations

from retrysim.durations import Duration, format_duration, parse_duration
from retrysim.invariants.invariant import Judgement, Problem
from retrysim.invariants.select import Names, tasks_of
from retrysim.invariants.sentence import Sentence
from retrysim.trace import ApiCalled, FaultFired, Trace

#: Troubles that come when a call has had its effect.
AFTER_THE_EFFECT = ("answer_lost", "truncated")


@Sentence
def calls_have_effect_once(
    trace: Trace,
    /,
    *,
    task: Names | None = None,
    endpoint: str | None = None,
    times: int = 1,
    least: int = 0,
    in_all: int | None = None,
) -> Judgement:
    """A task's calls of an endpoint have their effect at most ``times`` times, and those of all tasks ``in_all``.

    With ``least`` a task that ends in SUCCESS has had the effect so often.
    A call has an effect when it was served and not answered with an error, also when its answer was then lost.
    """
    problems, judged, total = [], 0, 0
    names = {one.task_id: one for one in tasks_of(trace, task)}
    effects = effects_of(trace)
    for (task_id, name), count in effects.items():
        if task_id not in names or endpoint not in (None, name):
            continue
        judged += 1
        total += count
        if count > times:
            text = f"{names[task_id].label}: {name} had its effect {count} times, expected at most {times}"
            problems.append(Problem(text=text, task_id=task_id))
    if in_all is not None and total > in_all:
        text = f"{endpoint or 'all calls'}: {total} effects in all, expected at most {in_all}"
        problems.append(Problem(text=text, task_id=next(reversed(names), None)))
    for one in names.values() if least else ():
        had = sum(n for (task_id, name), n in effects.items() if task_id == one.task_id and endpoint in (None, name))
        judged += 1
        if one.state == "SUCCESS" and had < least:
            text = f"{one.label} ended in SUCCESS, but {endpoint or 'its call'} had its effect {had} times"
            problems.append(Problem(text=text, task_id=one.task_id))
    return Judgement(judged=judged, of="call with an effect", problems=tuple(problems))


def effects_of(trace: Trace) -> dict[tuple[str, str], int]:
    """(task id, endpoint) -> how many effects its calls had; those that share one (``effect``) have it once."""
    counts: dict[tuple[str, str], int] = {}
    spoilt, known = False, set()
    for event in trace:
        if isinstance(event, ApiCalled) and event.task_id is not None and has_effect(event, spoilt=spoilt):
            key = (event.task_id, event.endpoint)
            if event.effect is None or (*key, event.effect) not in known:
                counts[key] = counts.get(key, 0) + 1
            known.add((*key, event.effect))
        spoilt = isinstance(event, FaultFired) and event.verb in AFTER_THE_EFFECT
    return counts


def has_effect(call: ApiCalled, *, spoilt: bool) -> bool:
    """Whether a call did what it was made for; ``spoilt``: its answer was lost on purpose, after that."""
    return spoilt if call.broken else call.decision == "served" and call.status < 400


@Sentence
def tasks_settle_within(trace: Trace, /, *, within: Duration = "1 hour", task: Names | None = None) -> Judgement:
    """Every task (of the names ``task``) settles within that time of its submission, by default an hour."""
    limit_ns = parse_duration(within)
    end_ns = max((event.at_ns for event in trace), default=trace.start_ns)
    problems, judged = [], 0
    for one in tasks_of(trace, task):
        judged += 1
        took_ns = (one.settled_at_ns if one.settled_at_ns is not None else end_ns) - (one.sent_at_ns or trace.start_ns)
        if took_ns > limit_ns:
            took = format_duration(took_ns) + ("" if one.settled else " and more")
            text = f"{one.label} took {took}, expected at most {format_duration(limit_ns)}"
            problems.append(Problem(text=text, task_id=one.task_id))
    return Judgement(judged=judged, of="task", problems=tuple(problems))
