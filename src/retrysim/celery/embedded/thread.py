"""Stands in for ``threading.Thread`` in ``celery.contrib.testing.worker``: a worker's thread is a process of ours.

That module starts a thread for ``worker.start`` and joins it at the end; everything else in it is Celery's and runs
unchanged.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from signal import SIG_DFL, SIGINT
from types import ModuleType
from typing import Any

from celery.contrib.testing import worker as contrib
from kombu.asynchronous import set_event_loop

from retrysim.celery.embedded.state import EmbeddedState
from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment, Host, Role
from retrysim.patches import ThreadIdentities
from retrysim.undo import UndoStack


class WorkerThread(threading.Thread):
    """A thread as far as anybody sees one."""

    environment: Environment
    state: EmbeddedState
    identities: ThreadIdentities
    wake_workers: Callable[[], None]
    _numbers = itertools.count(1)

    def __init__(self, target: Any, daemon: bool | None = None) -> None:
        super().__init__(target=target, daemon=daemon)
        self._work: Callable[[], None] = target
        test = self.environment.test
        name = f"worker thread {next(self._numbers)}"
        self._host = Host(self.environment, name, role=Role.WORKER, parent=test, end=test.end)
        self._host.handlers[SIGINT] = SIG_DFL  # who interrupts this process, ends the tests
        self.state.begin(self._host, target.__self__.app)  # the target is a worker's method ``start``
        self._alive = False
        self._ended = Condition(f"{name} to end")

    def start(self) -> None:
        """Begin; the event loop that was just made for this worker goes with it, for the next one to get its own."""
        self._alive = True
        self.state.hand_over(self._host, self.state.event_loop)
        set_event_loop(None)
        self._host.main = self.environment.spawn(self._run, name=self._host.name, host=self._host)
        self._host.main.serve()
        self._host.main.on_main_thread = False
        self.identities.stands_for(self, self._host.main)

    def _run(self) -> None:
        try:
            self._work()
        except SystemExit:
            pass  # as threading.Thread: the thread ends
        finally:
            self._alive = False
            self._ended.notify_all()

    def is_alive(self) -> bool:
        return self._alive

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end. The flags that the test has set for that are this worker's, and it sees them at once."""
        self.state.hand_over(self._host, *self.state.flags)
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


def virtual_worker_threads(
    undo: UndoStack,
    environment: Environment,
    state: EmbeddedState,
    identities: ThreadIdentities,
    wake_workers: Callable[[], None],
) -> None:
    """Let ``start_worker`` start its worker as a process of the simulation, until ``undo`` is unwound."""
    bound = {
        "environment": environment,
        "state": state,
        "identities": identities,
        "wake_workers": staticmethod(wake_workers),
    }
    undo.set_attribute(contrib, "threading", _Threading(type("Thread", (WorkerThread,), bound)))
