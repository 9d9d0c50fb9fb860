"""Stands in for kombu's ``Timer`` under a worker's hub: its entries end the hub's wait."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from retrysim.celery.timer import GridSchedule
from retrysim.kernel import Environment


class HubTimer(GridSchedule):
    """kombu's timer, on the grid."""

    def __init__(self, environment: Environment, **options: Any) -> None:
        self.environment = environment
        super().__init__(**options)
        #: told when an entry was made, by whoever sleeps until the next one is due
        self.on_enter: Callable[[], None] = _nothing

    def _enter(self, eta: float, priority: int, entry: Any, push: Any = heapq.heappush) -> Any:
        entry = super()._enter(eta, priority, entry, push)
        self.on_enter()
        return entry


def _nothing() -> None:
    """Nobody waits for the timer yet."""
