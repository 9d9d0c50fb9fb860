"""Stands in for ``celery.concurrency.prefork``: each pool process is a greenlet, a *slot*.

What is observable of prefork is kept: the consumer waits while no slot is free, the task is accepted (and early
acked) when a slot begins it, the children run under the worker's app, and each sends ``worker_process_init``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import billiard
from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery import signals
from celery.concurrency.base import BasePool, logger

from retrysim.celery.timer import Timer
from retrysim.durations import SECOND
from retrysim.kernel import Condition, Environment
from retrysim.patches import monotonic_ns

#: Process ids of the slots, as Celery's events and ``inspect`` show them.
FIRST_PID = 1001


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Job:
    """One call of ``apply_async``: what to run, and whom to tell."""

    target: Callable[..., Any]
    args: Any
    kwargs: Any
    on_accepted: Callable[[int, float], None] | None
    on_success: Callable[[Any], None] | None
    on_failure: Callable[[Any], None] | None
    task_id: str

    def terminate(self, signal: Any) -> None:
        """``billiard.pool.ApplyResult.terminate``: the pool's ``terminate_job`` has done it."""


class Slot:
    """One pool process: it waits for a job, runs it, and waits again."""

    def __init__(self, pool: TaskPool, pid: int) -> None:
        self.pool = pool
        self.pid = pid
        self.job: Job | None = None
        self.stopping = False
        self.given = Condition("a task")
        self.gone = False
        self.process = pool.environment.spawn(self._run, name=f"{pool.worker_name} slot {pid}", service=True)

    def give(self, job: Job) -> None:
        self.job = job
        self.process.service = False
        self.given.notify()

    def stop(self) -> None:
        self.stopping = True
        self.given.notify()

    def _run(self) -> None:
        signals.worker_process_init.send(sender=self.pool.worker_name)
        while not self.stopping:
            if self.job is None:
                self.pool.environment.wait(self.given)
            else:
                self._run_job(self.job)
                self.job = None
                self.process.service = True
                self.pool.free(self)
        signals.worker_process_shutdown.send(sender=self.pool.worker_name, pid=self.pid, exitcode=0)
        self.gone = True
        self.pool.slot_freed.notify_all()

    def _run_job(self, job: Job) -> None:
        if job.on_accepted is not None:
            job.on_accepted(self.pid, monotonic_ns(self.pool.environment.clock) / SECOND)
        try:
            result = job.target(*job.args, **job.kwargs)
        except BaseException as error:
            _tell(job.on_failure, _failure_of(error))
        else:
            _tell(job.on_success, result)


class TaskPool(BasePool):  # type: ignore[misc]
    """``limit`` slots; bound to a simulation by ``bound_to``."""

    environment: Environment
    worker_name: str
    Timer = Timer

    def on_start(self) -> None:
        self.slot_freed = Condition("a free pool process")
        self._slots = [Slot(self, FIRST_PID + number) for number in range(self.limit)]
        self._idle = deque(self._slots)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        callback: Callable[[Any], None] | None = None,
        accept_callback: Callable[[int, float], None] | None = None,
        error_callback: Callable[[Any], None] | None = None,
        correlation_id: str = "",
        **_options: Any,
    ) -> Job:
        """Hand a task to a free slot; the caller waits until there is one."""
        while not self._idle:
            self.environment.wait(self.slot_freed)
        job = Job(
            target=target,
            args=args,
            kwargs=kwargs or {},
            on_accepted=accept_callback,
            on_success=callback,
            on_failure=error_callback,
            task_id=correlation_id,
        )
        self._idle.popleft().give(job)
        return job

    def free(self, slot: Slot) -> None:
        self._idle.append(slot)
        self.slot_freed.notify()

    @property
    def running(self) -> list[str]:
        """The ids of the tasks whose body has begun and not ended."""
        return [slot.job.task_id for slot in self._slots if slot.job is not None]

    def on_stop(self) -> None:
        """Warm shutdown: what runs may end, then the slots go."""
        while len(self._idle) < len(self._slots):
            self.environment.wait(self.slot_freed)
        self.on_terminate()
        while not all(slot.gone for slot in self._slots):
            self.environment.wait(self.slot_freed)

    def on_terminate(self) -> None:
        for slot in self._slots:
            slot.stop()

    def _get_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super()._get_info()
        return {**info, "processes": [slot.pid for slot in self._slots]}


def bound_to(environment: Environment, worker_name: str) -> type[TaskPool]:
    """The pool class of one worker: Celery makes the instance, so what it needs is on the class."""
    timer = type("Timer", (Timer,), {"environment": environment})
    return type("TaskPool", (TaskPool,), {"environment": environment, "worker_name": worker_name, "Timer": timer})


def _failure_of(error: BaseException) -> ExceptionInfo:
    """What the parent is told of a body that raised, called while that is being handled.

    Since billiard 4.3 a task that ends its process is reported with its own exception; before, the process was found
    dead.
    """
    if billiard.VERSION >= (4, 3) or not isinstance(error, SystemExit | KeyboardInterrupt):
        return ExceptionInfo()
    try:
        raise WorkerLostError(f"Worker exited prematurely: {error!r}") from None
    except WorkerLostError:
        return ExceptionInfo()


def _tell(whom: Callable[[Any], None] | None, what: Any) -> None:
    """Call back as billiard's ``ApplyResult`` does: what the callback raises is logged, and the pool goes on."""
    try:
        if whom is not None:
            whom(what)
    except BaseException as error:
        logger.exception("Pool callback raised exception: %r", error)
