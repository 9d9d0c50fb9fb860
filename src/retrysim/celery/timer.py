"""Stands in for ``celery.utils.timer2.Timer``, the thread that fires ETAs: kombu's schedule on a process.

A real timer wakes at least once a second; this one wakes when its first entry is due, or when an earlier one comes.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from kombu.asynchronous.timer import Entry as ScheduleEntry
from kombu.asynchronous.timer import Timer as Schedule

from retrysim.clock import GRID_NS
from retrysim.durations import SECOND
from retrysim.kernel import Condition, Environment, Process, Regular
from retrysim.patches import monotonic_ns

#: What a periodic entry is due too early, in seconds: less than half a step of the grid, more than the noise of floats.
#: Without it "10 seconds have passed" may be false when they have, and kombu would ask again at the same instant.
_EPSILON = 1e-7


def at_least_a_step(secs: float) -> float:
    """A delay as a timer takes it: rate limits ask for one of 1e-16 s, and time would stand still forever."""
    return max(float(secs), GRID_NS / SECOND) if secs > 0 else float(secs)


#: Leaves what a call that changes nothing would leave, and returns whether the call is over then.
Leave = Callable[[], bool]


class IdleCall(Protocol):
    """What a periodic entry does while nothing happens."""

    def leaves(self) -> Leave | None:
        """What a call now would leave and nobody would notice; ``None`` for a call that would do more."""
        ...

    def regular(self, interval_ns: int) -> Regular | None:
        """How its calls go on if nothing else happens; ``None`` if nobody knows."""
        ...

    def move(self, calls_us: range) -> None:
        """Leave what calls at these readings of the clock, in microseconds, would leave."""
        ...


class Entry(ScheduleEntry):  # type: ignore[misc]
    """kombu's entry, but of two that are due at one instant the older comes first, not the one at the lower address."""

    __slots__ = ("_number", "due_s", "idle", "interval_s")
    _numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._number = next(self._numbers)
        #: when it is due, on the timer's clock
        self.due_s = 0.0
        #: seconds between two calls of a periodic one
        self.interval_s = 0.0
        #: knows when a call would change nothing, if anybody does
        self.idle: IdleCall | None = None

    def __lt__(self, other: Any) -> bool:
        return bool(self._number < other._number)


class OneShot(Entry):
    """An entry that fires once."""

    __slots__ = ("fired",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fired = False

    def __call__(self) -> Any:
        self.fired = True
        return super().__call__()


class GridSchedule(Schedule):  # type: ignore[misc]
    """kombu's schedule with entries on the microsecond grid: a retry due at 12:15:00 starts at 12:15:00.000000.

    It knows which of its entries fire once. Those keep a run alive; periodic ones (heartbeats, sweeps) do not.
    """

    environment: Environment
    Entry: type[Entry] = OneShot

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._one_shots: deque[OneShot] = deque()

    def call_repeatedly(self, secs: float, *args: Any, **kwargs: Any) -> Any:
        """Every ``secs`` seconds. Such an entry keeps no run alive."""
        self.Entry = Entry
        try:
            entry = super().call_repeatedly(secs - _EPSILON, *args, **kwargs)
            entry.interval_s = secs - _EPSILON
            return entry
        finally:
            del self.Entry

    def enter_after(self, secs: float, entry: Any, priority: int = 0, **clock: Any) -> Any:
        return super().enter_after(at_least_a_step(secs), entry, priority, **clock)

    def _enter(self, eta: float, priority: int, entry: Any, push: Any = heapq.heappush) -> Any:
        due_s = round(eta * 1e6) / 1e6
        entry = super()._enter(due_s, priority or 0, entry, push)
        entry.due_s = due_s
        if isinstance(entry, OneShot):
            self._one_shots.append(entry)
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
        return max(0, due_ns - monotonic_ns(self.environment.clock))

    def first_one_shot_ns(self) -> int | None:
        """When the first entry is due that fires once, as an instant; ``None`` without one. Looks at all of them."""
        pending = [entry.due_s for entry in self._one_shots if not (entry.fired or entry.canceled)]
        clock = self.environment.clock
        return round(min(pending) * 1e6) * GRID_NS - monotonic_ns(clock) + clock.ns if pending else None

    def awaits_one(self) -> bool:
        """Whether an entry that fires once is pending."""
        while self._one_shots and (self._one_shots[0].fired or self._one_shots[0].canceled):
            self._one_shots.popleft()
        return bool(self._one_shots)


class Timer(GridSchedule):
    """A schedule of entries, fired one after the other by one process, as on the timer thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changed = Condition("a timer entry")
        self._process: Process | None = None
        self._stopped = False

    def _enter(self, eta: float, priority: int, entry: Any, push: Any = heapq.heappush) -> Any:
        entry = super()._enter(eta, priority, entry, push)
        if self._process is None:
            self._process = self.environment.spawn(self._run, name="timer", service=True)
        self._changed.notify_all()
        return entry

    def _run(self) -> None:
        while not self._stopped:
            self._fire_due()
            self._drop_canceled()
            self.environment.wait(
                self._changed,
                timeout_ns=self.until_next_ns(),
                daemon=not self.awaits_one(),
                stands_for=self.first_one_shot_ns,
            )

    def _fire_due(self) -> None:
        now = monotonic_ns(self.environment.clock) / SECOND
        while self._queue and not self._stopped and self._queue[0].eta <= now:
            entry = heapq.heappop(self._queue).entry
            if not entry.canceled:
                self.apply_entry(entry)

    def _drop_canceled(self) -> None:
        while self._queue and self._queue[0].entry.canceled:
            heapq.heappop(self._queue)

    def cancel(self, tref: Any) -> None:
        super().cancel(tref)
        self._changed.notify_all()

    def stop(self) -> None:
        self._stopped = True
        self._changed.notify_all()
