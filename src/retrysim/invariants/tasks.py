"""Invariants about tasks: do they settle, is one lost, did one fail?"""

from __future__ import annotations

from retrysim.invariants.invariant import Judgement, Problem
from retrysim.invariants.select import Names, tasks_of
from retrysim.invariants.sentence import Sentence
from retrysim.trace import Trace


@Sentence
def every_task_settles(trace: Trace, /, *, task: Names | None = None) -> Judgement:
    """Every task (of the names ``task``) reached SUCCESS, FAILURE, REVOKED or REJECTED (or raised ``Ignore``)."""
    lost, tasks = trace.lost(), list(tasks_of(trace, task))
    problems = tuple(
        Problem(
            text=f"{one.label} did not settle: it is {one.state} "
            + (f"and will stay so: {lost[one.task_id]}" if one.task_id in lost else "and the run ended first"),
            task_id=one.task_id,
        )
        for one in tasks
        if not one.settled
    )
    return Judgement(judged=len(tasks), of="task", problems=problems)


@Sentence
def no_task_is_lost(trace: Trace, /, *, task: Names | None = None) -> Judgement:
    """No task (of the names ``task``) is left that nothing will ever settle."""
    lost, tasks = trace.lost(), list(tasks_of(trace, task))
    problems = tuple(
        Problem(text=f"{one.label} is lost: {lost[one.task_id]}", task_id=one.task_id)
        for one in tasks
        if one.task_id in lost
    )
    return Judgement(judged=len(tasks), of="task", problems=problems)


@Sentence
def no_task_fails(trace: Trace, /, *, task: Names | None = None, but: Names = (), revoked: bool = False) -> Judgement:
    """No task (of the names ``task``) ended in FAILURE or REJECTED, but those of the names ``but``, which may.

    With ``revoked``, REVOKED counts as a failure, too: the task had expired, or somebody revoked it.
    """
    states = ("FAILURE", "REJECTED", "REVOKED") if revoked else ("FAILURE", "REJECTED")
    may_fail = {one.task_id for one in tasks_of(trace, but)}
    tasks = [one for one in tasks_of(trace, task) if one.task_id not in may_fail]
    problems = []
    for one in tasks:
        if one.state in states:
            why = f": {one.failure.exception}" if one.failure else ""
            attempts = "1 attempt" if len(one.attempts) == 1 else f"{len(one.attempts)} attempts"
            text = f"{one.label} ended in {one.state} after {attempts}{why}"
            problems.append(Problem(text=text, task_id=one.task_id))
    return Judgement(judged=len(tasks), of="task", problems=tuple(problems))
