"""Invariants about tasks: do they settle, is one lost, did one fail?"""

from __future__ import annotations

from retrysim.invariants.invariant import Judgement, Problem
from retrysim.trace import Trace


def every_task_settles(trace: Trace) -> Judgement:
    """Every task reached SUCCESS, FAILURE, REVOKED or REJECTED (or raised ``Ignore``)."""
    lost = trace.lost()
    problems = tuple(
        Problem(
            text=f"{task.label} did not settle: it is {task.state} "
            + (f"and will stay so: {lost[task_id]}" if task_id in lost else "and the run ended first"),
            task_id=task_id,
        )
        for task_id, task in trace.tasks.items()
        if not task.settled
    )
    return Judgement(judged=len(trace.tasks), of="task", problems=problems)


def no_task_is_lost(trace: Trace) -> Judgement:
    """No task is left that nothing will ever settle."""
    problems = tuple(
        Problem(text=f"{trace.tasks[task_id].label} is lost: {why}", task_id=task_id)
        for task_id, why in trace.lost().items()
    )
    return Judgement(judged=len(trace.tasks), of="task", problems=problems)


def no_task_fails(trace: Trace) -> Judgement:
    """No task ended in FAILURE or REJECTED."""
    problems = []
    for task_id, task in trace.tasks.items():
        if task.state in ("FAILURE", "REJECTED"):
            why = f": {task.failure.exception}" if task.failure else ""
            text = f"{task.label} ended in {task.state} after {len(task.attempts)} attempts{why}"
            problems.append(Problem(text=text, task_id=task_id))
    return Judgement(judged=len(trace.tasks), of="task", problems=tuple(problems))
