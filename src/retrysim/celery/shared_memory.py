"""Finds out whether tasks change state that pool processes share here, and would not share in production.

What a task reaches (``patches/task_memory.py``) is looked at before and after its first execution, and after the
eighth, the 64th and so on, and when a run ends. So a task costs no more than a look at its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from retrysim.patches.task_memory import Memory, changed_roots, memory_of

#: How often the memory of one task is looked at, at most: a test may call ``run`` often.
_LOOKS = 24
#: How many times as many executions there are until the next look.
_RARER = 8
#: How many changed things the note names.
_NAMED = 3


@dataclass(slots=True)
class _Watched:
    """One task, by its name."""

    task: Any
    begun: int = 0
    ended: int = 0
    next_look: int = 1
    looks: int = 0
    before: Memory = field(default_factory=dict)
    #: the run in which ``before`` was taken
    run: int = -1


class SharedMemory:
    """What the pool processes of one simulation share that are none of the machine."""

    def __init__(self) -> None:
        self._processes: dict[str, int] = {}
        self._watched: dict[tuple[int, str], _Watched] = {}
        self._changed: dict[str, str] = {}  # what is shared -> the task that has changed it first
        self._run = 0

    @property
    def notes(self) -> list[str]:
        """One line, if there is something to say."""
        if not self._changed:
            return []
        names = list(self._changed)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        what, task = ", ".join(names[:_NAMED]) + more, self._changed[names[0]]
        return [
            f"{sum(self._processes.values())} pool processes share the state of {what}, which task {task} changed; in "
            "production each has its own: start the worker with isolated=True"
        ]

    @contextmanager
    def around_run(self) -> Iterator[None]:
        """What the test changes between two runs is no doing of the tasks."""
        self._run += 1
        yield
        for watched in self._watched.values():
            if watched.run == self._run and watched.ended:
                self._look(watched)

    def begin(self, pool: Any, name: str) -> None:
        """A pool process begins a task of this name."""
        watched = self._watched.get((id(pool.app), name)) or self._watch(pool, name)
        if watched is None:
            return
        watched.begun += 1
        if watched.begun >= watched.next_look and watched.run != self._run and watched.looks < _LOOKS:
            self._processes[pool.worker_name] = pool.num_processes
            watched.before, watched.run, watched.ended = memory_of(watched.task), self._run, 0
            watched.looks += 1

    def _watch(self, pool: Any, name: str) -> _Watched | None:
        """Watch a task from here on, if there are processes that could share its state."""
        self._processes[pool.worker_name] = processes = pool.num_processes
        task = pool.app.tasks.get(name) if processes > 1 or len(self._processes) > 1 else None
        if task is None:
            return None
        watched = self._watched[id(pool.app), name] = _Watched(task=task)
        return watched

    def end(self, pool: Any, name: str) -> None:
        """A task of this name has ended."""
        watched = self._watched.get((id(pool.app), name))
        if watched is not None:
            watched.ended += 1
            if watched.begun >= watched.next_look and watched.run == self._run and watched.looks < _LOOKS:
                watched.next_look = _RARER * watched.begun
                self._look(watched)

    def _look(self, watched: _Watched) -> None:
        """Compare what is there with what was there; it is the new state that the next look compares with."""
        after = memory_of(watched.task)
        for root in changed_roots(watched.before, after):
            self._changed.setdefault(root, watched.task.name)
        watched.before, watched.ended = after, 0
        watched.looks += 1
