"""Finds the tasks that ran during or after their success: a second delivery, or a retry that was swallowed."""

from __future__ import annotations

from retrysim.trace import TaskHistory, TaskStarted, TaskSucceeded, Trace


def ran_again(trace: Trace) -> list[str]:
    """One line for each name of a task; none where no task did."""
    times: dict[str, list[tuple[TaskHistory, int]]] = {}
    for task in trace.tasks.values():
        if count := _attempts_after_success(task):
            times.setdefault(task.name, []).append((task, count))
    return [_line(name, tasks) for name, tasks in times.items()]


def _attempts_after_success(task: TaskHistory) -> int:
    """How many attempts began after another one had succeeded, or succeeded as well."""
    succeeded = again = 0
    for event in task.events:
        again += bool(succeeded) and isinstance(event, TaskStarted)
        succeeded += isinstance(event, TaskSucceeded)
    return max(again, succeeded - 1)


def _line(name: str, tasks: list[tuple[TaskHistory, int]]) -> str:
    first, _ = tasks[0]
    total = sum(count for _, count in tasks)
    many = f"{len(tasks)} tasks" if len(tasks) > 1 else "1 task"
    times = f"{total} times" if total > 1 else "once"
    return f"{name}: {many} ran again during or after its success, {times} in all ({first.label}: {first.timeline})"
