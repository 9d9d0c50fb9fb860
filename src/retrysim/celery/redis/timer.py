"""Stands in for kombu's ``Timer`` under a worker's hub: due instants on the grid, and known which of them matter."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import Any

from kombu.asynchronous.timer import Timer as KombuTimer

from retrysim.celery.timer import Entry, at_least_a_step
from retrysim.clock import GRID_NS
from retrysim.kernel import Environment
from retrysim.patches import monotonic_ns

#: What a periodic entry is due too early, in seconds: less than half a step of the grid, more than the noise of floats.
#: Without it "10 seconds have passed" may be false when they have, and kombu would ask again at the same instant.
_HAIR = 1e-7


class OneShot(Entry):
    """An entry that fires once."""

    __slots__ = ("fired",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fired = False

    def __call__(self) -> Any:
        self.fired = True
        return super().__call__()


class HubTimer(KombuTimer):  # type: ignore[misc]
    """kombu's timer with entries on the microsecond grid: a retry due at 12:15:00 starts at 12:15:00.000000."""

    Entry: type[Entry] = OneShot

    def __init__(self, environment: Environment, **options: Any) -> None:
        super().__init__(**options)
        self._environment = environment
        self._one_shots: deque[OneShot] = deque()
        #: told when an entry was made, by whoever sleeps until the next one is due
        self.on_enter: Callable[[], None] = _nothing

    def call_repeatedly(self, secs: float, *args: Any, **kwargs: Any) -> Any:
        """Every ``secs`` seconds. Such an entry keeps no run alive."""
        self.Entry = Entry
        try:
            return super().call_repeatedly(secs - _HAIR, *args, **kwargs)
        finally:
            del self.Entry

    def enter_after(self, secs: float, entry: Any, priority: int = 0, **clock: Any) -> Any:
        return super().enter_after(at_least_a_step(secs), entry, priority, **clock)

    def _enter(self, eta: float, priority: int, entry: Any, push: Any = heapq.heappush) -> Any:
        entry = super()._enter(round(eta * 1e6) / 1e6, priority or 0, entry, push)
        if isinstance(entry, OneShot):
            self._one_shots.append(entry)
        self.on_enter()
        return entry

    def clear(self) -> None:
        """Before 5.7 a lost connection clears the whole timer, waiting ETAs included."""
        super().clear()
        self._one_shots.clear()

    def until_next_ns(self) -> int | None:
        """How long until the first entry is due; ``None`` without one."""
        if not self._queue:
            return None
        due_ns: int = round(self._queue[0].eta * 1e6) * GRID_NS
        return max(0, due_ns - monotonic_ns(self._environment.clock))

    def awaits_one(self) -> bool:
        """Whether an entry that fires once is pending."""
        while self._one_shots and (self._one_shots[0].fired or self._one_shots[0].canceled):
            self._one_shots.popleft()
        return bool(self._one_shots)


def _nothing() -> None:
    """Nobody waits for the timer yet."""
