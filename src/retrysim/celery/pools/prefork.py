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

from celery.concurrency.base import BasePool, logger

from retrysim.celery.pools.current_process import be_a_pool_process
from retrysim.celery.pools.isolated import IsolatedSlot
from retrysim.celery.pools.slot import Job, Slot
from retrysim.celery.shared_memory import SharedMemory
from retrysim.celery.signals import child_of
from retrysim.celery.timer import Timer
from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment, Host

#: How long it takes until another child stands in the place of one that is gone, in seconds: 0.07 to 0.13 on real
#: workers. If a child cannot be waited for yet when billiard is told of it, that looks again within five seconds.
FORK_S = 0.1
#: Process ids of the slots, as Celery's events and ``inspect`` show them.
FIRST_PID = 1001


class TaskPool(BasePool):  # type: ignore[misc]
    """``limit`` slots; bound to a simulation by ``bound_to``."""

    environment: Environment
    worker_name: str
    Timer = Timer
    #: whether each pool process is one of the machine
    isolated = False
    has_pool_processes = True
    memory: SharedMemory | None = None

    def on_start(self) -> None:
        self.slot_freed = Condition("a free pool process")
        self._pids = count(FIRST_PID)
        self._jobs = count()
        self._closing = False
        self._slots: list[Slot] = []
        for _ in range(self.limit):
            self._slots.append(self.new_slot())
        self._idle = deque(self._slots)
        self._starting = 0
        self._waiting = 0
        #: notified when a job waits for a child
        self.job_waits = Condition("a new pool process")
        self.environment.sleep(0)  # the children begin, and send worker_process_init, before their worker is ready

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
            self._waiting += 1
            self.job_waits.notify_all()
            self.environment.wait(self.slot_freed)
            self._waiting -= 1
        self._idle.popleft().give(job)

    @property
    def jobs_wait(self) -> bool:
        """Whether there are jobs that no child has."""
        return self._waiting > 0

    def new_slot(self) -> Slot:
        """One more pool process."""
        kind = IsolatedSlot if self.isolated else Slot
        taken = {slot.index for slot in self._slots}
        return kind(self, next(self._pids), next(index for index in count() if index not in taken))

    def new_host(self, name: str, end: Callable[[int], None], pid: int, index: int) -> Host:
        """What the next slot runs on: a child of the worker."""
        host = child_of(self.environment, name, end, pid)
        be_a_pool_process(host, pid - FIRST_PID + 1, index)
        return host

    @property
    def soft_limit_signals(self) -> int:
        """How many times a child is sent its soft time limit."""
        return 1

    @property
    def hard_limit_follows_soft(self) -> bool:
        """``billiard.pool.TimeoutHandler`` looks at both."""
        return False

    def count_job(self) -> int:
        """The number of the next job, as billiard's log has it."""
        return next(self._jobs)

    # -- what the children tell ----------------------------------------------------------------------------------------

    def in_parent(self, act: Callable[[], None]) -> None:
        """Billiard's blocking pool has threads for that."""
        act()

    def finished(self, slot: Slot, tell_result: Callable[[], None]) -> None:
        """A result arrives at once: billiard's blocking pool reads them in a thread of its own."""
        try:
            tell_result()
        except Exception as error:  # billiard.pool.PoolThread.run
            logger.error("Thread 'ResultHandler' crashed: %r", error, exc_info=True)
            assert slot.host.parent is not None
            slot.host.parent.end(1)
        self.free(slot)

    def gone(self, slot: Slot, tell_loss: Callable[[], None]) -> None:
        """A child is no more."""
        self._spawn("supervisor", slot, lambda: self.bury(slot, tell_loss))

    def bury(self, slot: Slot, tell_loss: Callable[[], None]) -> None:
        tell_loss()
        self.replace(slot)

    def _spawn(self, what: str, slot: Slot, function: Callable[[], None]) -> None:
        name = f"{self.worker_name} {what}"
        self.environment.spawn(function, name=name, host=slot.host.parent, service=True)

    def free(self, slot: Slot) -> None:
        if not slot.gone and not slot.doomed:
            self._idle.append(slot)
            self.slot_freed.notify()

    def replace(self, slot: Slot) -> None:
        """Start a new pool process in the place of one that is gone, unless the pool is being closed."""
        if slot in self._idle:
            self._idle.remove(slot)
        index = self._slots.index(slot)
        self._slots.remove(slot)
        if self._closing:
            self.slot_freed.notify()
        else:
            self._starting += 1
            self._spawn("fork", slot, lambda: self._fork(index))

    def _fork(self, index: int) -> None:
        due_ns = self.environment.clock.ns + grid_ns(FORK_S)
        while (left_ns := due_ns - self.environment.clock.ns) > 0:  # a run goes on for it if a job waits for it
            self.environment.wait(self.job_waits, timeout_ns=left_ns, daemon=not self.jobs_wait)
        self._starting -= 1
        if not self._closing:
            fresh = self.new_slot()
            self._slots.insert(index, fresh)
            self.free(fresh)

    @property
    def num_processes(self) -> int:
        return len(self._slots) + self._starting

    @property
    def num_memories(self) -> int:
        """How many processes run tasks, each with memory of its own in production."""
        return self.num_processes

    def grow(self, n: int = 1) -> None:
        """Add ``n`` pool processes (autoscale, ``control.pool_grow``)."""
        for _ in range(n):
            fresh = self.new_slot()
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
        slots = vars(self).get("_slots", ())  # none, of a pool that has not started
        return [slot.job.task_id for slot in slots if slot.job is not None and not slot.gone]

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
        limits = (self.options.get("soft_timeout") or 0, self.options.get("timeout") or 0)
        return {
            **info,
            "max-concurrency": self.limit,
            "processes": [slot.pid for slot in self._slots],
            "max-tasks-per-child": (self.isolated and self.options.get("maxtasksperchild")) or "N/A",
            "put-guarded-by-semaphore": True,
            "timeouts": limits,
            "writes": "N/A",
        }
