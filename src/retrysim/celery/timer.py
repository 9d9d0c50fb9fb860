"""Stands in for ``celery.utils.timer2.Timer``, the thread that fires ETAs: kombu's schedule on a process.

A real timer wakes at least once a second; this one wakes when its first entry is due, or when an earlier one comes.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Any

from kombu.asynchronous.timer import Entry as ScheduleEntry
from kombu.asynchronous.timer import Timer as Schedule

from retrysim.clock import GRID_NS
from retrysim.durations import SECOND
from retrysim.kernel import Condition, Environment, Process
from retrysim.patches import monotonic_ns


def at_least_a_step(secs: float) -> float:
    """A delay as a timer takes it: rate limits ask for one of 1e-16 s, and time would stand still for ever."""
    return max(float(secs), GRID_NS / SECOND) if secs > 0 else float(secs)


class Entry(ScheduleEntry):  # type: ignore[misc]
    """kombu's entry, but of two that are due at one instant the older comes first, not the one at the lower address."""

    __slots__ = ("_number",)
    _numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._number = next(self._numbers)

    def __lt__(self, other: Any) -> bool:
        return bool(self._number < other._number)


class Timer(Schedule):  # type: ignore[misc]
    """kombu's schedule of entries, fired one after the other by one process, as on the timer thread."""

    environment: Environment
    Entry = Entry

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changed = Condition("a timer entry")
        self._process: Process | None = None
        self._stopped = False

    def enter_after(self, secs: float, entry: Any, priority: int = 0, **clock: Any) -> Any:
        return super().enter_after(at_least_a_step(secs), entry, priority, **clock)

    def _enter(self, eta: float, priority: int, entry: Any, push: Any = heapq.heappush) -> Any:
        # An instant computed with floats is put back on the grid: a retry due at 12:15:00 starts at 12:15:00.000000.
        entry = super()._enter(round(eta * 1e6) / 1e6, priority or 0, entry, push)
        if self._process is None:
            self._process = self.environment.spawn(self._run, name="timer", service=True)
        self._changed.notify_all()
        return entry

    def _run(self) -> None:
        while not self._stopped:
            self._fire_due()
            self.environment.wait(self._changed, timeout_ns=self._until_next_ns())

    def _fire_due(self) -> None:
        now = monotonic_ns(self.environment.clock) / SECOND
        while self._queue and not self._stopped and self._queue[0].eta <= now:
            entry = heapq.heappop(self._queue).entry
            if not entry.canceled:
                self.apply_entry(entry)

    def _until_next_ns(self) -> int | None:
        while self._queue and self._queue[0].entry.canceled:
            heapq.heappop(self._queue)
        if not self._queue:
            return None
        due_ns: int = round(self._queue[0].eta * 1e6) * GRID_NS
        return max(0, due_ns - monotonic_ns(self.environment.clock))

    def cancel(self, tref: Any) -> None:
        super().cancel(tref)
        self._changed.notify_all()

    def stop(self) -> None:
        self._stopped = True
        self._changed.notify_all()
