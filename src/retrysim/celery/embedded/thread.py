"""Stands in for ``threading.Thread`` in ``celery.contrib.testing.worker``: a worker's thread is a process of ours.

That module starts a thread for ``worker.start`` and joins it at the end; all else in it is Celery's and runs unchanged.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from celery.contrib.testing import worker as contrib
from kombu.asynchronous import set_event_loop

from retrysim.celery.embedded.hosts import EVENT_LOOP, SHOULD_STOP, SHOULD_TERMINATE, thread
from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment
from retrysim.undo import UndoStack


class WorkerThread:
    """A thread as far as ``celery.contrib.testing.worker`` sees one."""

    environment: Environment
    wake_workers: Callable[[], None]
    _numbers = itertools.count(1)

    def __init__(self, target: Any, daemon: bool | None = None) -> None:
        self.name = f"worker thread {next(self._numbers)}"
        self._target: Callable[[], None] = target
        self._host = thread(target.__self__.app)  # the target is a worker's method ``start``
        self._alive = False
        self._ended = Condition(f"{self.name} to end")

    def start(self) -> None:
        """Begin; the event loop that was just made for this worker goes with it, for the next one to get its own."""
        self._alive = True
        self._host.take_over(EVENT_LOOP)
        set_event_loop(None)
        self.environment.spawn(self._run, name=self.name, service=True, host=self._host)

    def _run(self) -> None:
        try:
            self._target()
        except SystemExit:
            pass  # as threading.Thread: the thread ends
        finally:
            self._alive = False
            self._ended.notify_all()

    def is_alive(self) -> bool:
        return self._alive

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end. The flags that the test has set for that are for this worker, and it is told so at once."""
        self._host.take_over(SHOULD_STOP, SHOULD_TERMINATE)
        self.wake_workers()
        if self._alive:
            self.environment.wait(self._ended, timeout_ns=None if timeout is None else grid_ns(timeout))


class _Threading(ModuleType):
    """The module ``threading`` with our ``Thread``."""

    def __init__(self, thread: type[WorkerThread]) -> None:
        super().__init__("threading")
        self.Thread = thread

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


def virtual_worker_threads(undo: UndoStack, environment: Environment, wake_workers: Callable[[], None]) -> None:
    """Let ``start_worker`` start its worker as a process of the simulation, until ``undo`` is unwound."""
    bound = {"environment": environment, "wake_workers": staticmethod(wake_workers)}
    undo.set_attribute(contrib, "threading", _Threading(type("WorkerThread", (WorkerThread,), bound)))
