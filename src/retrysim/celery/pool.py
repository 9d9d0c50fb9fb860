"""Stands in for ``celery.concurrency.prefork``: each pool process is a greenlet, a *slot*.

What is observable of prefork is kept: the consumer waits while no slot is free, the task is accepted (and early
acked) when a slot begins it, the children run under the worker's app, and each sends ``worker_process_init``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from signal import SIGTERM
from typing import Any

from celery.concurrency.base import BasePool

from retrysim.celery.slot import Job, Slot
from retrysim.celery.timer import Timer
from retrysim.kernel import Condition, Environment

#: Process ids of the slots, as Celery's events and ``inspect`` show them.
FIRST_PID = 1001


class TaskPool(BasePool):  # type: ignore[misc]
    """``limit`` slots; bound to a simulation by ``bound_to``."""

    environment: Environment
    worker_name: str
    Timer = Timer

    def on_start(self) -> None:
        self.slot_freed = Condition("a free pool process")
        self._pids = count(FIRST_PID)
        self._jobs = count()
        self._closing = False
        self._slots = [Slot(self, next(self._pids)) for _ in range(self.limit)]
        self._idle = deque(self._slots)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        callback: Callable[[Any], None] | None = None,
        accept_callback: Callable[[int, float], None] | None = None,
        error_callback: Callable[[Any], None] | None = None,
        timeout_callback: Callable[..., None] | None = None,
        soft_timeout: float | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
        **_options: Any,
    ) -> Job:
        """Hand a task to a free slot; the caller waits until there is one."""
        job = Job(
            target=target,
            args=args,
            kwargs=kwargs or {},
            on_accepted=accept_callback,
            on_success=callback,
            on_failure=error_callback,
            on_timeout=timeout_callback,
            soft_limit=soft_timeout or self.options.get("soft_timeout"),
            hard_limit=timeout or self.options.get("timeout"),
            task_id=correlation_id,
        )
        self.hand_over(job)
        return job

    def hand_over(self, job: Job) -> None:
        while not self._idle:
            self.environment.wait(self.slot_freed)
        self._idle.popleft().give(job)

    def new_host(self) -> object:
        """What the next slot runs on; ``None`` is the worker's own."""
        return None

    @property
    def soft_limit_signals(self) -> int:
        """How many times a child is told of its soft time limit."""
        return 1

    def count_job(self) -> int:
        """The number of the next job, as billiard's log has it."""
        return next(self._jobs)

    # -- what the children tell ----------------------------------------------------------------------------------------

    def finished(self, slot: Slot, tell_result: Callable[[], None]) -> None:
        """A result arrives at once: billiard's blocking pool reads them in a thread of its own."""
        tell_result()
        self.free(slot)

    def gone(self, slot: Slot, tell_loss: Callable[[], None]) -> None:
        """A child is no more."""
        name, host = f"{self.worker_name} supervisor", slot.process.host
        self.environment.spawn(lambda: self.bury(slot, tell_loss), name=name, host=host)

    def bury(self, slot: Slot, tell_loss: Callable[[], None]) -> None:
        tell_loss()
        self.replace(slot)

    def free(self, slot: Slot) -> None:
        if not slot.gone:
            self._idle.append(slot)
            self.slot_freed.notify()

    def replace(self, slot: Slot) -> None:
        """Start a new pool process in the place of one that is gone, unless the pool is being closed."""
        if slot in self._idle:
            self._idle.remove(slot)
        if self._closing:
            self._slots.remove(slot)
            self.slot_freed.notify()
            return
        fresh = Slot(self, next(self._pids))
        self._slots[self._slots.index(slot)] = fresh
        self.free(fresh)

    @property
    def num_processes(self) -> int:
        return len(self._slots)

    def grow(self, n: int = 1) -> None:
        """Add ``n`` pool processes (autoscale, ``control.pool_grow``)."""
        for _ in range(n):
            fresh = Slot(self, next(self._pids))
            self._slots.append(fresh)
            self._idle.append(fresh)
            self.slot_freed.notify()

    def shrink(self, n: int = 1) -> None:
        """End ``n`` idle pool processes; raises ``ValueError`` as billiard does when too many are busy."""
        for _ in range(n):
            if not self._idle:
                raise ValueError("Can't shrink pool. All processes busy!")
            slot = self._idle.popleft()
            self._slots.remove(slot)
            slot.stop()

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """Kill the pool process with that id."""
        for slot in self._slots:
            if slot.pid == pid:
                slot.terminate(int(signal or SIGTERM))

    def lose_child(self, task_id: str | None, signal: int) -> bool:
        """Let a pool process die by a signal that nobody here sent: the one that runs a task, or any that runs one.

        Says whether there was one.
        """
        for slot in self._slots:
            if slot.job is not None and not slot.gone and task_id in (None, slot.job.task_id):
                slot.lose(signal)
                return True
        return False

    @property
    def running(self) -> list[str]:
        """The ids of the tasks whose body has begun and not ended."""
        return [slot.job.task_id for slot in self._slots if slot.job is not None and not slot.gone]

    def on_stop(self) -> None:
        """Warm shutdown: what runs may end, then the slots go."""
        self._closing = True
        while len(self._idle) < len(self._slots):
            self.environment.wait(self.slot_freed)
        for slot in self._slots:
            slot.stop()
        while not all(slot.gone for slot in self._slots):
            self.environment.wait(self.slot_freed)

    def on_terminate(self) -> None:
        """Cold shutdown: the pool processes are killed, whatever they do."""
        for slot in self._slots:
            slot.abandon()

    def _get_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super()._get_info()
        return {**info, "processes": [slot.pid for slot in self._slots]}
