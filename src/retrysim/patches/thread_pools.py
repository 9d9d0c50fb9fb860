"""Lets ``multiprocessing.pool.ThreadPool`` work in a task: a real one tells its threads of changes by a pipe."""

from __future__ import annotations

import queue
from collections.abc import Iterable
from multiprocessing.pool import Pool, ThreadPool
from types import SimpleNamespace
from typing import Any

from retrysim.kernel import Environment
from retrysim.undo import UndoStack


def virtual_thread_pools(undo: UndoStack, environment: Environment) -> None:
    """Give the pools that tasks make a queue of the simulation instead of the pipe, until ``undo`` is unwound."""
    of_threads: Any = ThreadPool
    of_both: Any = Pool  # its thread calls the method of the class, not of the pool
    set_up_really, real_sentinels = of_threads._setup_queues, of_threads._get_sentinels
    wait_really = of_both._wait_for_updates

    def set_up(self: Any) -> None:
        set_up_really(self)
        if environment.owns_thread and environment.current is not None:
            self._ctx = SimpleNamespace(SimpleQueue=queue.SimpleQueue)

    def sentinels(self: Any) -> Any:
        return [] if _is_virtual(self._change_notifier) else real_sentinels(self)

    def wait(files: Iterable[Any], changes: Any, timeout: float | None = None) -> None:
        if _is_virtual(changes):
            changes.get()
        else:
            wait_really(files, changes, timeout)

    undo.set_attribute(of_threads, "_setup_queues", set_up)
    undo.set_attribute(of_threads, "_get_sentinels", sentinels)
    undo.set_attribute(of_both, "_wait_for_updates", staticmethod(wait))


def _is_virtual(changes: Any) -> bool:
    return isinstance(changes, queue._PySimpleQueue)  # type: ignore[attr-defined]
