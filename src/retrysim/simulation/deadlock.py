"""What is said when nothing is left that could happen and a task still waits: which, for what, and where that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from retrysim.errors import Deadlock
from retrysim.kernel import Process
from retrysim.patches import HeldLock
from retrysim.trace import TaskReceived, Trace

_TASK = re.compile(r"task ([\w-]+)")


def deadlock(
    trace: Trace, blocked: Iterable[Process], task_of: Callable[[Process], str | None], locks: Iterable[HeldLock]
) -> Deadlock:
    """The error; ``task_of`` gives the id of the task that a process runs, ``locks`` are those of the dead."""
    waits = "; ".join(_wait(trace, process, task_of(process)) for process in blocked if process.wait is not None)
    dead = "".join(f"\n  {held.what} is held by {held.holder.name}" for held in locks)
    return Deadlock(f"nothing is left that could happen, but {waits}" + (dead and f"\nKilled with locks:{dead}"))


def _wait(trace: Trace, process: Process, task_id: str | None) -> str:
    assert process.wait is not None
    task = trace.tasks.get(task_id or "")
    who = process.name if task is None else f"{task.label} ({process.name})"
    return f"{who} waits for {_TASK.sub(lambda found: _named(trace, found), process.wait.condition.name)}"


def _named(trace: Trace, found: re.Match[str]) -> str:
    """A task by its name, and where its message is, in place of its id; the words as they are for one not known."""
    task = trace.tasks.get(found[1])
    if task is None:
        return found[0]
    if task.settled or task.started():
        return task.label
    received = [event.worker for event in task.events if isinstance(event, TaskReceived)]
    where = dict(trace.ended.holding).get(task.task_id) if trace.ended else None
    where_it_is = f"{received[-1]} has taken its message, and no slot to run it" if received else where
    return task.label + (f": {where_it_is}" if where_it_is else "")
