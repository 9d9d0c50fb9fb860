"""Stands in for ``celery.concurrency.prefork`` under the event loop, where the worker's own semaphore guards the slots.

A reserved task waits in that semaphore, not in front of the pool. When a slot is free again, the hub takes the next
one out and only then looks whether it was revoked or has expired meanwhile (``WorkController._process_task``).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from celery import signals
from celery.concurrency import asynpool, prefork

from retrysim.celery.pools.prefork import TaskPool
from retrysim.celery.pools.slot import Job, Slot
from retrysim.kernel import Host

#: Since 5.7 Celery does for the hub what it would have done, while the pool is joined.
_RUNS_HUB_DURING_JOIN = hasattr(prefork, "_run_ready_callbacks")


class HubPool(TaskPool):
    """``limit`` slots that never let the hub wait: a task too many (after a lost connection) waits in the pool.

    A worker that turns out to run no hub has in it what ``TaskPool`` is.
    """

    uses_semaphore = True
    _hub: Any = None

    def on_start(self) -> None:
        super().on_start()
        self._backlog: deque[Job] = deque()
        self._results: deque[Callable[[], None]] = deque()

    def register_with_event_loop(self, loop: Any) -> None:
        """Called again after each reconnect, which made the hub forget what it was to call."""
        self._hub = loop
        loop.call_soon(self._read_results)

    def new_host(self, name: str, end: Callable[[int], None], pid: int, index: int) -> Host:
        """As ``AsynPool._create_worker_process``; billiard's blocking pool, without an event loop, sends no signal."""
        if not self.options.get("threads", True):
            signals.worker_before_create_process.send(sender=self)
        return super().new_host(name, end, pid, index)

    def on_apply(self, *args: Any, **options: Any) -> Job:
        options["accept_callback"] = self._acknowledged(options.get("accept_callback"))
        return super().on_apply(*args, **options)

    def _acknowledged(self, accept: Callable[[int, float], None] | None) -> Callable[[int, float], None]:
        """Let the hub ack an early-acked task before its body begins: a real body takes longer than that."""

        def accepted(pid: int, at: float) -> None:
            if accept is not None:
                accept(pid, at)
            self.environment.sleep(0)

        return accepted

    def hand_over(self, job: Job) -> None:
        if self._idle or self._hub is None:
            super().hand_over(job)
        else:
            self._backlog.append(job)
            self.job_waits.notify_all()

    @property
    def jobs_wait(self) -> bool:
        return bool(self._backlog) or super().jobs_wait

    # -- what the children tell: read by the hub, as asynpool does, so not while a signal handler keeps it -------------

    def in_parent(self, act: Callable[[], None]) -> None:
        if self._hub is None:
            super().in_parent(act)
        else:
            self._pipe(act)

    def finished(self, slot: Slot, tell_result: Callable[[], None]) -> None:
        if self._hub is None:
            super().finished(slot, tell_result)
        else:
            self._pipe(lambda: self._finish(slot, tell_result))

    def _finish(self, slot: Slot, tell_result: Callable[[], None]) -> None:
        try:
            tell_result()
        finally:
            if not slot.doomed:
                self._release()
                self.free(slot)

    def gone(self, slot: Slot, tell_loss: Callable[[], None]) -> None:
        if self._hub is None:
            super().gone(slot, tell_loss)
        else:
            self._pipe(lambda: self.bury(slot, tell_loss))

    def replace(self, slot: Slot) -> None:
        """The next reserved task leaves the worker's semaphore at once, and waits in the pool for the new child."""
        super().replace(slot)
        self._release()

    def _pipe(self, read: Callable[[], None]) -> None:
        self._results.append(read)
        self._hub.call_soon(self._read_results)
        self.slot_freed.notify()  # a pool that is being joined reads them itself

    def _read_results(self) -> None:
        while self._results:
            self._results.popleft()()

    def _release(self) -> None:
        if self._hub is not None:
            self.options["semaphore"].release()

    def free(self, slot: Slot) -> None:
        super().free(slot)
        if self._backlog:
            super().hand_over(self._backlog.popleft())

    def grow(self, n: int = 1) -> None:
        self.options["semaphore"].grow(n)
        super().grow(n)

    def shrink(self, n: int = 1) -> None:
        for _ in range(n):
            super().shrink()
            self.options["semaphore"].shrink(1)

    @property
    def soft_limit_signals(self) -> int:
        """Two during a warm shutdown since 5.7: of the pool's own look at the limits, and of the hub's timers.

        The hub does not run any more, so Celery fires its timers from a thread; and billiard looks for itself while the
        pool is joined. Neither knows of the other.
        """
        return 2 if self._closing and self._hub is not None and _RUNS_HUB_DURING_JOIN else 1

    @property
    def hard_limit_follows_soft(self) -> bool:
        """The hub learns of the hard limit when the soft one has passed (``AsynPool._on_soft_timeout``)."""
        return self._hub is not None

    def on_stop(self) -> None:
        """Warm shutdown. The hub does not run any more, so since 5.7 Celery's pool does its acks meanwhile."""
        self._closing = True
        self._do_what_the_hub_did()
        while len(self._idle) < len(self._slots):
            self.environment.wait(self.slot_freed)
            self._do_what_the_hub_did()
        super().on_stop()

    def _do_what_the_hub_did(self) -> None:
        self._read_results()
        if _RUNS_HUB_DURING_JOIN and self._hub is not None:
            prefork._run_ready_callbacks(self._hub)

    def _get_info(self) -> dict[str, Any]:
        """A real worker's has no lock around its pipes, and counts what it writes to each (``human_write_stats``)."""
        parent = SimpleNamespace(
            write_stats=Counter({slot.pid: slot.written for slot in self._slots if slot.written}),
            sched_strategy=asynpool.SCHED_STRATEGY_FAIR,
            _all_inqueues=self._slots,
            _active_writes=(),
        )
        writes = asynpool.AsynPool.human_write_stats(parent)
        return {**super()._get_info(), "put-guarded-by-semaphore": False, "writes": writes}
