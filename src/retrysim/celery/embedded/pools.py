"""Puts our pools where Celery looks pools up by name: prefork and threads in greenlets; solo is Celery's own.

Which loop the worker runs is decided after its pool is, so these serve both: under the event loop tasks wait in the
worker's semaphore, without one in front of the pool.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import celery.concurrency
from celery.concurrency import base

from retrysim.celery.pools.prefork_in_hub import HubPool
from retrysim.celery.pools.slot import Slot
from retrysim.celery.timer import Timer
from retrysim.kernel import Environment, Host, Role
from retrysim.undo import UndoStack


class Prefork(HubPool):
    """Stands in for ``celery.concurrency.prefork.TaskPool``."""

    @property
    def worker_name(self) -> str:  # type: ignore[override]
        return str(self.options["initargs"][1])


class Threads(Prefork):
    """Stands in for ``celery.concurrency.thread.TaskPool``."""

    body_can_be_buffer = True
    signal_safe = False
    has_pool_processes = False

    def new_slot(self) -> Slot:
        slot = super().new_slot()
        slot.process.on_main_thread = False
        slot.process.thread.name = f"ThreadPoolExecutor-0_{slot.index}"
        return slot

    def free(self, slot: Slot) -> None:
        """An executor starts one more thread only if none is idle: those that have worked come first."""
        super().free(slot)
        self._idle = deque(sorted(self._idle, key=lambda idle: not idle.written))

    def new_host(self, name: str, end: Callable[[int], None], pid: int, index: int) -> Host:
        """A thread of the worker's process, which is the test's."""
        test = self.environment.test
        return Host(self.environment, name, role=Role.WORKER, end=test.end, parent=self.environment.host, pid=pid)


_BY_NAME = {"prefork": Prefork, "processes": Prefork, "threads": Threads}


def virtual_pools(undo: UndoStack, environment: Environment) -> None:
    """Let workers find our pools, and the timer that fits them, until ``undo`` is unwound."""
    real = celery.concurrency.get_implementation
    timer = type("Timer", (Timer,), {"environment": environment})
    bound = {"environment": environment, "Timer": timer}
    pools = {name: type(pool.__name__, (pool,), bound) for name, pool in _BY_NAME.items()}

    def get_implementation(cls: Any) -> Any:
        return pools[cls] if isinstance(cls, str) and cls in pools else real(cls)

    undo.set_attribute(celery.concurrency, "get_implementation", get_implementation)
    undo.set_attribute(base.BasePool, "Timer", timer)  # solo's
