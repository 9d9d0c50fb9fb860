"""The clock: one number of nanoseconds since the epoch, and who may move it.

Virtual time lies on a grid of one microsecond. A float of seconds since the epoch cannot hold a nanosecond today
(its step is 0.24 µs), so on a finer grid ``sleep(reset - time.time())`` would end before the reset in half of all
cases; on this one it ends at the reset.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

#: The step of virtual time, in nanoseconds.
GRID_NS = 1_000
#: Less than half a step: what float arithmetic on epoch seconds may be off, in microseconds.
_FLOAT_NOISE_US = 0.4
#: So many readings without a wait are those of code that waits for a time by reading it.
MANY_READINGS = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def no_time_passes() -> None:
    """Nobody lets time pass."""


class Clock(Protocol):
    """Something that knows what time it is."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class VirtualClock:
    """A clock that stands still until it is set."""

    __slots__ = ("ns", "on_many_readings", "readings", "skew_ns", "start_ns")

    def __init__(self, start_ns: int) -> None:
        self.ns = self.start_ns = start_ns - start_ns % GRID_NS
        #: how often the code under test has read it since it last waited
        self.readings = 0
        #: how far the wall clock of the machine that has control is ahead
        self.skew_ns = 0
        #: called when that is often
        self.on_many_readings: Callable[[], None] = no_time_passes

    def now_ns(self) -> int:
        return self.ns

    def read(self) -> int:
        """What the code under test reads: it may read the clock until a time has come, and never wait."""
        self.readings += 1
        if self.readings >= MANY_READINGS:
            self.on_many_readings()
        return self.ns

    def read_wall(self) -> int:
        """As ``read``, for readings of the date and the time of day."""
        self.readings += 1
        if self.readings >= MANY_READINGS:
            self.on_many_readings()
        return self.ns + self.skew_ns

    @contextmanager
    def right(self) -> Iterator[None]:
        """In the block the wall clock is right, as that of a server is, whoever has control. It must not wait."""
        before, self.skew_ns = self.skew_ns, 0
        try:
            yield
        finally:
            self.skew_ns = before

    def advance_to(self, ns: int) -> None:
        """Move forward to an instant; the past is an error of ours, not of a user."""
        assert ns >= self.ns, f"time runs forward: {ns} < {self.ns}"
        self.ns = ns


class WallClock:
    """Real time, as ``time.time()`` tells it: under freezegun or time-machine it is theirs."""

    def now_ns(self) -> int:
        return round(time.time() * 1e6) * GRID_NS


def grid_ns(seconds: float) -> int:
    """A wait of ``seconds`` in nanoseconds on the grid: rounded up, but for the noise of float arithmetic.

    A wait of more than nothing is at least one step, so a loop that sleeps for "what is left" comes to an end.
    """
    if seconds <= 0:
        return 0
    return max(1, math.ceil(seconds * 1e6 - _FLOAT_NOISE_US)) * GRID_NS


def to_datetime(ns: int) -> datetime:
    """An aware UTC ``datetime`` of nanoseconds since the epoch (microseconds are kept)."""
    return _EPOCH + timedelta(microseconds=ns // GRID_NS)


def to_ns(instant: datetime) -> int:
    """Nanoseconds since the epoch of an aware ``datetime``."""
    return (instant - _EPOCH) // timedelta(microseconds=1) * GRID_NS


def time_of_day(ns: int) -> str:
    """An instant of a run as a person reads it: ``12:15:00``, with the fraction where there is one."""
    return to_datetime(ns).strftime("%H:%M:%S.%f").rstrip("0").rstrip(".")
