"""Finds out whether tasks change state that the processes of workers share here, and would not share in production.

What a task reaches (``patches/task_memory.py``) is looked at before and after its first execution, and after the
eighth, the 64th and so on, and when a run ends. So a task costs no more than a look at its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    #: worker -> how many of its processes may run the task
    processes: dict[str, int] = field(default_factory=dict)
    #: the names of what it reaches
    roots: set[str] = field(default_factory=set)
    #: the run in which ``before`` was taken
    run: int = -1


class SharedMemory:
    """What the processes of one simulation share that are none of the machine."""

    def __init__(self) -> None:
        self._workers: set[str] = set()
        self._without_pool_processes: set[str] = set()
        self._watched: dict[tuple[int, str], _Watched] = {}
        self._changed: dict[str, str] = {}  # what is shared -> the task that has changed it first
        self._run = 0

    @property
    def notes(self) -> list[str]:
        """One line, if there is something to say."""
        names = [root for root in self._changed if sum(self._sharing([root]).values()) > 1]
        if not names:
            return []
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        what, task = ", ".join(names[:_NAMED]) + more, self._changed[names[0]]
        sharing = self._sharing(names)
        who, remedy = "pool processes", "start the worker with isolated=True"
        if not self._without_pool_processes.isdisjoint(sharing):
            who, remedy = "processes", "start the workers with pool='prefork' and isolated=True"
        return [
            f"{sum(sharing.values())} {who} share the state of {what}, which task {task} changed; in production each "
            f"has its own: {remedy}"
        ]

    def _sharing(self, roots: Iterable[str]) -> dict[str, int]:
        """Workers whose tasks reach one of these, and how many of their processes run such tasks."""
        wanted = set(roots)
        reaching = [watched.processes for watched in self._watched.values() if not wanted.isdisjoint(watched.roots)]
        return {worker: number for processes in reaching for worker, number in processes.items()}

    @contextmanager
    def around_run(self) -> Iterator[None]:
        """What the test changes between two runs is no doing of the tasks."""
        self._run += 1
        yield
        for watched in self._watched.values():
            if watched.run == self._run and watched.ended:
                self._look(watched)

    def begin(self, pool: Any, name: str) -> None:
        """A process begins a task of this name."""
        watched = self._watched.get((id(pool.app), name)) or self._watch(pool, name)
        if watched is None:
            return
        watched.begun += 1
        watched.processes[pool.worker_name] = pool.num_memories
        if watched.begun >= watched.next_look and watched.run != self._run and watched.looks < _LOOKS:
            watched.before, watched.run, watched.ended = self._memory_of(watched), self._run, 0

    def _watch(self, pool: Any, name: str) -> _Watched | None:
        """Watch a task from here on, if there are processes that could share its state."""
        self._workers.add(pool.worker_name)
        if not pool.has_pool_processes:
            self._without_pool_processes.add(pool.worker_name)
        task = pool.app.tasks.get(name) if pool.num_memories > 1 or len(self._workers) > 1 else None
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
        after = self._memory_of(watched)
        for root in changed_roots(watched.before, after):
            self._changed.setdefault(root, watched.task.name)
        watched.before, watched.ended = after, 0

    @staticmethod
    def _memory_of(watched: _Watched) -> Memory:
        memory = memory_of(watched.task)
        watched.looks += 1
        watched.roots.update(leaf.root for leaf in memory.values())
        return memory
