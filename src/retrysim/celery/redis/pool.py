"""Stands in for ``celery.concurrency.prefork`` under the event loop, where the worker's own semaphore guards the slots.

A reserved task waits in that semaphore, not in front of the pool. When a slot is free again, the hub takes the next
one out and only then looks whether it was revoked or has expired meanwhile (``WorkController._process_task``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from celery.concurrency import prefork

from retrysim.celery.pool import TaskPool
from retrysim.celery.slot import Job, Slot


class HubPool(TaskPool):
    """``limit`` slots that never let the hub wait: a task too many (after a lost connection) waits in the pool."""

    uses_semaphore = True
    _hub: Any = None

    def on_start(self) -> None:
        super().on_start()
        self._backlog: deque[Job] = deque()

    def register_with_event_loop(self, loop: Any) -> None:
        self._hub = loop

    def on_apply(self, *args: Any, **options: Any) -> Job:
        options["accept_callback"] = self._acknowledged(options.get("accept_callback"))
        return super().on_apply(*args, **options)

    def _acknowledged(self, accept: Callable[[int, float], None] | None) -> Callable[[int, float], None]:
        """Let the hub ack an early-acked task before its body begins: a body takes longer than that in reality."""

        def accepted(pid: int, at: float) -> None:
            if accept is not None:
                accept(pid, at)
            self.environment.sleep(0)

        return accepted

    def hand_over(self, job: Job) -> None:
        if self._idle:
            super().hand_over(job)
        else:
            self._backlog.append(job)

    def free(self, slot: Slot) -> None:
        super().free(slot)
        if self._backlog:
            super().hand_over(self._backlog.popleft())
        if self._hub is not None:
            self._hub.call_soon(self.options["semaphore"].release)

    def on_stop(self) -> None:
        """Warm shutdown. The hub does not run any more, so since 5.7 Celery's pool does its acks meanwhile."""
        run_acks = getattr(prefork, "_run_ready_callbacks", None)
        while len(self._idle) < len(self._slots):
            self.environment.wait(self.slot_freed)
            if run_acks is not None and self._hub is not None:
                run_acks(self._hub)
        super().on_stop()
