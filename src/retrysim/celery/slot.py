"""A slot stands in for one pool process: it waits for a job, runs it, and waits again, until it is ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dis import opname
from functools import partial
from types import TracebackType
from typing import Any, Protocol

import billiard
from billiard.common import human_status
from billiard.einfo import ExceptionInfo
from billiard.exceptions import SoftTimeLimitExceeded, Terminated, TimeLimitExceeded, WorkerLostError
from celery import signals
from celery.concurrency.base import logger

from retrysim.clock import grid_ns
from retrysim.durations import SECOND
from retrysim.kernel import Condition, Environment
from retrysim.patches import monotonic_ns


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Job:
    """One call of ``apply_async``: what to run, within which limits (seconds), and whom to tell."""

    target: Callable[..., Any]
    args: Any
    kwargs: Any
    on_accepted: Callable[[int, float], None] | None
    on_success: Callable[[Any], None] | None
    on_failure: Callable[[Any], None] | None
    on_timeout: Callable[..., None] | None
    soft_limit: float | None
    hard_limit: float | None
    task_id: str

    def terminate(self, signal: Any) -> None:
        """``billiard.pool.ApplyResult.terminate``: the pool's ``terminate_job`` has done it."""


class Pool(Protocol):
    """What a slot knows of its pool."""

    environment: Environment
    worker_name: str
    slot_freed: Condition

    def new_host(self) -> object: ...

    def finished(self, slot: Slot, tell_result: Callable[[], None]) -> None:
        """The child has a result for its parent, and is free."""
        ...

    def gone(self, slot: Slot, tell_loss: Callable[[], None]) -> None:
        """The child is no more; its parent is to find out, and to start another."""
        ...

    def count_job(self) -> int: ...

    @property
    def soft_limit_signals(self) -> int:
        """How many times the parent tells a child of its soft time limit."""
        ...


class Slot:
    """One pool process of a worker."""

    def __init__(self, pool: Pool, pid: int) -> None:
        self.pool = pool
        self.pid = pid
        self.job: Job | None = None
        self.stopping = False
        self.given = Condition("a task")
        self.gone = False
        self.number = 0
        self._environment = pool.environment
        name = f"{pool.worker_name} slot {pid}"
        self.process = self._environment.spawn(self._run, name=name, service=True, host=pool.new_host())
        self.process.on_exit = self._exit

    def give(self, job: Job) -> None:
        self.job = job
        self.number = self.pool.count_job()
        self.process.service = False
        self.given.notify()

    def stop(self) -> None:
        self.stopping = True
        self.given.notify()

    def _run(self) -> None:
        signals.worker_process_init.send(sender=self.pool.worker_name)
        while not self.stopping:
            if self.job is None:
                self._environment.wait(self.given)
                continue
            tell_result, ended_by = self._run_job(self.job)
            self.job = None
            self.process.service = True
            if ended_by is not None:
                self._say_exit(_exit_code(ended_by))
                self.gone = True
                self.pool.gone(self, tell_result)
                return
            self.pool.finished(self, tell_result)
        self._say_exit(0)
        self.gone = True
        self.pool.slot_freed.notify_all()

    def _say_exit(self, exit_code: int) -> None:
        signals.worker_process_shutdown.send(sender=self.pool.worker_name, pid=self.pid, exitcode=exit_code)

    def _run_job(self, job: Job) -> tuple[Callable[[], None], BaseException | None]:
        """Run the body: how to tell the parent of its result, and what ends the process then, if anything."""
        if job.on_accepted is not None:
            job.on_accepted(self.pid, monotonic_ns(self._environment.clock) / SECOND)
        limits = [
            self._parent_does(limit, act, job)
            for limit, act in ((job.soft_limit, self._on_soft_limit), (job.hard_limit, self._on_hard_limit))
            if limit
        ]
        try:
            result = job.target(*job.args, **job.kwargs)
        except BaseException as error:
            tell_result, ended_by = partial(tell, job.on_failure, ExceptionInfo()), self._ended_by(error)
        else:
            tell_result, ended_by = partial(tell, job.on_success, result), None
        for limit in limits:
            limit.cancel()
        return tell_result, ended_by

    def _ended_by(self, error: BaseException) -> BaseException | None:
        """What ends the process, as ``billiard.pool.Worker.workloop`` has it.

        Since billiard 4.3 it first reports what the body raised. Before, whatever is no ``Exception`` ended the process
        without a word, and the parent found it dead.
        """
        if isinstance(error, Exception):
            return None
        if billiard.VERSION >= (4, 3):
            return error if isinstance(error, SystemExit | KeyboardInterrupt) else None
        exit_code = _exit_code(error)
        self._say_exit(exit_code)
        self._environment.intervene(partial(self._exit, exit_code))
        raise AssertionError("a process that has ended went on")

    # -- what the parent process does to a child -----------------------------------------------------------------------

    def _parent_does(self, seconds: float, act: Callable[[Job], None], job: Job) -> Any:
        """Let the parent act on the job that runs then, in a process of its own: it may have to wait."""
        host = self.process.host

        def begin() -> None:
            self._environment.spawn(lambda: act(job), name=f"{self.pool.worker_name} time limits", host=host)

        return self._environment.schedule(self._environment.clock.ns + grid_ns(seconds), begin)

    def _on_soft_limit(self, job: Job) -> None:
        """As ``billiard.pool.TimeoutHandler.on_soft_timeout``: tell the request, raise in the child."""
        for _ in range(self.pool.soft_limit_signals):
            if self.job is job and not self.gone:
                tell(job.on_timeout, soft=True, timeout=job.soft_limit)
                self._environment.signal(self.process, partial(self._raise_soft_limit, job))

    def _raise_soft_limit(self, job: Job) -> None:
        """The child's handler of SIGUSR1."""
        if self.job is job:
            raise SoftTimeLimitExceeded

    def _on_hard_limit(self, job: Job) -> None:
        """As ``billiard.pool.TimeoutHandler.on_hard_timeout``: fail the job, tell the request, kill the child."""
        if self.job is job and not self.gone:
            self.abandon()
            self.pool.gone(self, partial(self._tell_of_hard_limit, job))

    def _tell_of_hard_limit(self, job: Job) -> None:
        tell(job.on_failure, _raised(TimeLimitExceeded(job.hard_limit)))
        tell(job.on_timeout, soft=False, timeout=job.hard_limit)

    def terminate(self, signal_number: int) -> None:
        """A signal that ends the child (``revoke(terminate=True)``); the parent then finds it gone."""
        self._die(lambda: Terminated(signal_number))

    def lose(self, signal_number: int) -> None:
        """The child is killed by somebody else (SIGKILL: by the kernel, out of memory)."""
        self._exit(-signal_number)

    def _exit(self, status: int) -> None:
        """The child ends without a word; below zero, by that signal."""
        exit_code = human_status(status)
        self._die(lambda: WorkerLostError(f"Worker exited prematurely: {exit_code} Job: {self.number}."))

    def abandon(self) -> None:
        """End the child without a word to anybody: its parent ends, too."""
        if not self.gone:
            self.gone = True
            self._environment.abandon(self.process)

    def _die(self, reason: Callable[[], BaseException]) -> None:
        job = self.job
        self.abandon()
        self.pool.gone(self, lambda: tell(job.on_failure, _raised(reason())) if job is not None else None)


def tell(whom: Callable[..., Any] | None, *what: Any, **more: Any) -> None:
    """Call back as billiard's ``ApplyResult`` does: what the callback raises is logged, and the pool goes on."""
    try:
        if whom is not None:
            whom(*what, **more)
    except BaseException as error:
        logger.exception("Pool callback raised exception: %r", error)


def _exit_code(error: BaseException) -> int:
    """What a pool process exits with: billiard listens to ``sys.exit`` in it, and to no other way to raise."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    if not isinstance(error, SystemExit) or where is None or _raises(where):
        return 0
    return 0 if error.code is None else error.code & 0xFF if isinstance(error.code, int) else 1


def _raises(where: TracebackType) -> bool:
    """Whether the line is at a ``raise``, and not at a call."""
    return opname[where.tb_frame.f_code.co_code[where.tb_lasti]] == "RAISE_VARARGS"


def _raised(error: BaseException) -> ExceptionInfo:
    try:
        raise error from None
    except type(error):
        return ExceptionInfo()
