"""How Celery's result backends wait for a result of theirs in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from celery.backends import asynchronous

from retrysim.errors import Deadlock


class Drainer(asynchronous.Drainer):  # type: ignore[misc]
    """Celery's, which looks around once a second. In between, a result that can never come is a ``Deadlock``."""

    def drain_events_until(
        self,
        p: Any,
        timeout: float | None = None,
        interval: float = 1,
        on_interval: Callable[[], None] | None = None,
        wait: Callable[..., None] | None = None,
    ) -> Iterator[None]:
        consumer = self.result_consumer
        wait = wait or (consumer.drain_for_ever if timeout is None else consumer.drain_events)
        try:
            yield from super().drain_events_until(p, timeout, interval, on_interval, wait)
        except Deadlock:
            if on_interval is not None:
                on_interval()  # a parent that failed is the better reason
            raise
