"""Says of a simulation in which no events remain what waits there, and for whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from retrysim.errors import Deadlock
from retrysim.kernel import Environment, Process
from retrysim.patches import HeldLock, standing_of
from retrysim.trace import TaskHistory, TaskReceived

_TASK = re.compile(r"\btask ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Waiting:
    """Who waits in a simulation, in words: ``holding`` says where the message of each unsettled task is."""

    def __init__(
        self,
        environment: Environment,
        dead: Iterable[HeldLock],
        tasks: Mapping[str, TaskHistory],
        holding: Iterable[tuple[str, str]],
    ) -> None:
        self._environment = environment
        self._dead = dead
        self._tasks = tasks
        self._holding = dict(holding)

    def deadlock(self) -> Deadlock:
        """The error for tasks that wait for what can never come."""
        first, *others = self._environment.blocked()
        more = f" and {len(others)} {'other' if len(others) == 1 else 'others'}" if others else ""
        verb = "are" if others else "is"
        return Deadlock(f"no events remain, but {_who(first)}{more} {verb} still waiting:{self._who_waits()}")

    def explained(self, text: str) -> str:
        """The error of a test whose wait nothing can end, with names of tasks, and with the tasks that wait, too."""
        return self._named(text) + (":" + self._who_waits() if self._environment.blocked() else "")

    def _who_waits(self) -> str:
        lines = []
        for process in self._environment.blocked():
            for waiting in (process, *self._environment.blocked_threads_of(process)):
                lines += ["  " + line for line in standing_of(waiting)]
        held = [f"  {held.what} is held by {held.holder.name}" for held in self._dead]
        return "\n" + self._named("\n".join(lines + (["Killed with locks:", *held] if held else [])))

    def _named(self, text: str) -> str:
        """The text with the names of the tasks whose results are awaited, and where these are."""
        return _TASK.sub(lambda found: self._name(found[1]) or found[0], text)

    def _name(self, task_id: str) -> str | None:
        task = self._tasks.get(task_id)
        if task is None:
            return None
        where = self._holding.get(task_id) or _received(task)
        return f"{task.label} ({where})" if where else task.label


def _received(task: TaskHistory) -> str:
    last = task.events[-1] if task.events else None
    return f"{last.worker} has received it" if isinstance(last, TaskReceived) else ""


def _who(process: Process) -> str:
    tasks = process.thread.tasks
    return tasks[-1].removeprefix("task ") if tasks else process.name
