"""A slot stands in for one pool process: it waits for a job, runs it, and waits again, until it is ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dis import opname
from functools import partial
from signal import SIGKILL, SIGTERM, SIGUSR1
from types import TracebackType
from typing import Any, NoReturn, Protocol

import billiard
from billiard.common import human_status
from billiard.einfo import ExceptionInfo
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import signals
from celery.concurrency.base import logger

from retrysim.celery.pools.results import Unloadable, as_received
from retrysim.celery.shared_memory import SharedMemory
from retrysim.celery.signals import ChildSignals
from retrysim.clock import grid_ns
from retrysim.durations import SECOND
from retrysim.kernel import Condition, Environment, Host
from retrysim.kernel.schedule import ScheduledCall
from retrysim.patches import monotonic_ns


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Job:
    """One call of ``apply_async``: what to run, within which limits (seconds, or their text), and whom to tell."""

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

    app: Any
    environment: Environment
    worker_name: str
    slot_freed: Condition
    #: watches what its processes share, where somebody wants to know
    memory: SharedMemory | None
    #: whether a slot stands in for a process, and not for a thread
    has_pool_processes: bool

    @property
    def num_processes(self) -> int: ...

    def new_host(self, name: str, end: Callable[[int], None], pid: int, index: int) -> Host: ...

    def in_parent(self, act: Callable[[], None]) -> None:
        """Let the parent act, when it looks at what its children do."""
        ...

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

    @property
    def hard_limit_follows_soft(self) -> bool:
        """Whether the parent looks at a job's hard limit only when its soft one has passed."""
        ...


#: What comes of a job: whether it succeeded, its result or ``ExceptionInfo``, and what the process exits with now.
Outcome = tuple[bool, Any, int | None]
#: How long billiard gives a child to end by SIGTERM, in seconds, before it sends SIGKILL (``_trywaitkill``).
GRACE_S = 0.1


class Slot:
    """One pool process of a worker."""

    def __init__(self, pool: Pool, pid: int, index: int) -> None:
        self.pool = pool
        self.pid = pid
        #: its place in the pool, which the next child takes when it is gone
        self.index = index
        self.job: Job | None = None
        self.stopping = False
        self.given = Condition("a task")
        self.gone = False
        self.number = 0
        #: how many jobs it was given
        self.written = 0
        #: the job that the parent has heard no end of
        self._awaited: Job | None = None
        #: the parent ends it for a hard limit: it gets no job any more
        self.doomed = False
        self._terminated = False
        self._limits: list[ScheduledCall] = []
        self._environment = pool.environment
        name = f"{pool.worker_name} slot {pid}"
        self.host = pool.new_host(name, self._end, pid, index)
        self.process = self.host.main = self._environment.spawn(self._run, name=name, service=True, host=self.host)

    def give(self, job: Job) -> None:
        self.job = self._awaited = job
        self.number = self.pool.count_job()
        self.written += 1
        self.process.begin_task()
        self.given.notify()

    def stop(self) -> None:
        self.stopping = True
        self.given.notify()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._end_between_jobs(error)

    def _end_between_jobs(self, error: BaseException) -> NoReturn:
        """A signal handler has raised."""
        if not isinstance(error, SystemExit | KeyboardInterrupt):
            logger.error("Pool process %r error: %r", self, error, exc_info=True)
        self._leave(self._signals.exit_code or (1 if isinstance(error, Exception) else _exit_code(error)))

    def _work(self) -> None:
        self._begin()
        while not self.stopping:
            if self.job is None:
                self._wait_for_work()
                continue
            tell_result, exit_code = self._run_job(self.job)
            if self.doomed:  # a body that has swallowed the SIGTERM of its hard limit: SIGKILL is on its way
                self._environment.wait(Condition("SIGKILL"))
            self.job = None
            self.process.end_task()
            if exit_code is not None:
                self._say_exit(exit_code)
                self.gone = True
                self.host.ended()
                self.pool.gone(self, tell_result)
                return
            self.pool.finished(self, tell_result)
        self._say_exit(0)
        self.gone = True
        self.host.ended()
        self.pool.slot_freed.notify_all()

    def _begin(self) -> None:
        self._signals = ChildSignals(self.host)
        signals.worker_process_init.send(sender=self.pool.worker_name)

    def _wait_for_work(self) -> None:
        self._environment.wait(self.given)

    def _say_exit(self, exit_code: int) -> None:
        signals.worker_process_shutdown.send(sender=self.pool.worker_name, pid=self.pid, exitcode=exit_code)

    def _run_job(self, job: Job) -> tuple[Callable[[], None], int | None]:
        """Run the body: how to tell the parent of its result, and what the process exits with then, if it does."""
        if job.on_accepted is not None:
            job.on_accepted(self.pid, monotonic_ns(self._environment.clock) / SECOND)
        self._set_limits(job)
        self.process.time_limit_s = min(map(float, filter(None, (job.soft_limit, job.hard_limit))), default=None)
        succeeded, value, exit_code = self._execute(job)
        self.process.time_limit_s = None
        if not self.doomed:
            self._forget_limits()
        tell_result = partial(tell, job.on_success if succeeded else job.on_failure, value)
        return partial(self._report, tell_result), exit_code

    def _execute(self, job: Job) -> Outcome:
        memory = self.pool.memory
        if memory is not None:
            memory.begin(self.pool, job.args[0])
        succeeded, value, exit_code = self._call(job.target, job.args, job.kwargs)
        if memory is not None:
            memory.end(self.pool, job.args[0])
        if self.pool.has_pool_processes:
            succeeded, value = as_received(succeeded, value)
        return succeeded, value, exit_code

    def _call(self, target: Callable[..., Any], args: Any, kwargs: Any) -> Outcome:
        try:
            return True, target(*args, **kwargs), None
        except BaseException as error:
            if self._signals.exit_code is not None:  # billiard says nothing of a job that a signal has cut short
                self._leave(self._signals.exit_code)
            return False, ExceptionInfo(), self._ended_by(error)

    def _report(self, tell_result: Callable[[], None]) -> None:
        """The parent reads the result, unless it has settled the job itself meanwhile."""
        if not self.doomed:
            self._awaited = None
            tell_result()

    def _ended_by(self, error: BaseException) -> int | None:
        """What the process exits with if that ends it, as ``billiard.pool.Worker.workloop`` has it.

        Since billiard 4.3 it first reports what the body raised. Before, whatever is no ``Exception`` ended the process
        silently, and the parent found it dead.
        """
        if isinstance(error, Exception):
            return None
        if billiard.VERSION >= (4, 3):
            return _exit_code(error) if isinstance(error, SystemExit | KeyboardInterrupt) else None
        return self._leave(_exit_code(error))

    def _leave(self, exit_code: int) -> NoReturn:
        """End with a word to the receivers here, and none to the parent: it finds the child gone."""
        self._say_exit(exit_code)
        self.host.end(self._signals.status(exit_code))
        raise AssertionError("a process that has ended went on")

    # -- what the parent process does to a child -----------------------------------------------------------------------

    def _set_limits(self, job: Job) -> None:
        soft, hard = job.soft_limit, job.hard_limit
        if soft:
            self._parent_does(soft, self._on_soft_limit, job)
        if hard and not self._comes_with_soft(job):
            self._parent_does(hard, self._on_hard_limit, job)

    def _comes_with_soft(self, job: Job) -> bool:
        """The hub learns of the hard limit when the soft one has passed (``celery.concurrency.asynpool``)."""
        soft, hard = job.soft_limit, job.hard_limit
        return self.pool.hard_limit_follows_soft and hard is not None and float(hard) <= float(soft or 0)

    def _forget_limits(self) -> None:
        while self._limits:
            self._limits.pop().cancel()

    def _parent_does(self, seconds: float, act: Callable[[Job], None], job: Job) -> None:
        """Let the parent act on the job that runs then, in a process of its own: it may have to wait."""
        host = self.host.parent

        def begin() -> None:
            name = f"{self.pool.worker_name} time limits"
            self._environment.spawn(lambda: act(job), name=name, host=host)

        self._limits.append(self._environment.schedule(self._environment.clock.ns + grid_ns(float(seconds)), begin))

    def _on_soft_limit(self, job: Job) -> None:
        """As ``billiard.pool.TimeoutHandler.on_soft_timeout``: tell the request, raise in the child."""
        for _ in range(self.pool.soft_limit_signals):
            if self.job is job and not self.gone:
                tell(job.on_timeout, soft=True, timeout=job.soft_limit)
                self._environment.signal(self.process, partial(self._raise_soft_limit, job))
        if self._comes_with_soft(job):
            self._enforce_hard_limit(job)

    def _raise_soft_limit(self, job: Job) -> None:
        """SIGUSR1, unless it comes too late: the child's handler raises."""
        if self.job is job:
            self.host.send(SIGUSR1)

    def _on_hard_limit(self, job: Job) -> None:
        self.pool.in_parent(partial(self._enforce_hard_limit, job))

    def _enforce_hard_limit(self, job: Job) -> None:
        """As ``billiard.pool.TimeoutHandler.on_hard_timeout``: fail the job, tell the request, end the child."""
        if self._awaited is job and not self.gone:
            self._awaited = None
            self.doomed = True
            self._tell_of_hard_limit(job)
            self._parent_does(GRACE_S, lambda _job: self.lose(SIGKILL), job)
            self.host.send(SIGTERM)

    def _tell_of_hard_limit(self, job: Job) -> None:
        tell(job.on_failure, _raised(TimeLimitExceeded(job.hard_limit)))
        tell(job.on_timeout, soft=False, timeout=job.hard_limit)

    def terminate(self, signal_number: int) -> None:
        """Send the child a signal (``revoke(terminate=True)``); if it ends by it, the job was terminated."""
        self._terminated = True
        self.host.send(signal_number)

    def lose(self, signal_number: int) -> None:
        """The child is killed by somebody else (SIGKILL: by the kernel, out of memory)."""
        self._exit(-signal_number)

    def _end(self, status: int) -> None:
        """What ends the child, called in whatever process; no line of it runs after that."""
        self._environment.intervene(partial(self._exit, status))

    def _exit(self, status: int) -> None:
        """The child ends silently; below zero, by that signal."""
        if self.gone:
            return
        self._die(partial(self._reason, status))

    def _reason(self, status: int) -> BaseException:
        """What the parent makes of a child that is gone: ``billiard.pool.Pool._join_exited_workers``."""
        how = f"Worker exited prematurely: {human_status(status)} Job: {self.number}."
        reason: BaseException = Terminated(-status) if self._terminated else WorkerLostError(how)
        return reason

    def abandon(self) -> None:
        """End the child and notify nobody: its parent ends, too."""
        if not self.gone:
            self.gone = True
            self._forget_limits()
            self._environment.kill(self.host)

    def _die(self, reason: Callable[[], BaseException]) -> None:
        self.abandon()
        self.pool.gone(self, lambda: self._tell_of_loss(reason))

    def _tell_of_loss(self, reason: Callable[[], BaseException]) -> None:
        job, self._awaited = self._awaited, None
        if job is not None:
            tell(job.on_failure, _raised(reason()))


def tell(whom: Callable[..., Any] | None, *what: Any, **more: Any) -> None:
    """Call back as billiard's ``ApplyResult`` does: what the callback raises is logged, and the pool goes on.

    A task that had no memory left ends the worker: Celery raises its ``MemoryError`` again, and billiard lets it pass.
    So does a result that cannot be loaded, which calls nobody back.
    """
    if what and isinstance(what[0], Unloadable):
        raise what[0].error
    try:
        if whom is not None:
            whom(*what, **more)
    except MemoryError:
        raise
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
