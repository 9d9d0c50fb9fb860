"""Stands in for the readings of the ``time`` module: each is one look at the virtual clock.

freezegun's readings walk the call stack (4 µs) and give real time to modules whose names begin like an entry of its
ignore list (``queue``, ``threading``, ``gi`` and so ``github``). These take 0.1 µs and know no exceptions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from retrysim.clock import VirtualClock
from retrysim.durations import SECOND

#: ``monotonic`` starts here, not at the epoch: small, and not zero, which some code takes for "never".
MONOTONIC_START_NS = 1_000 * SECOND


def virtual_readings(clock: VirtualClock) -> dict[str, Callable[..., Any]]:
    """The functions that stand in for those of the same name in ``time``."""
    offset_ns = MONOTONIC_START_NS - clock.start_ns
    real_localtime, real_gmtime, real_ctime, real_strftime = time.localtime, time.gmtime, time.ctime, time.strftime

    # Of nanoseconds on the microsecond grid, int / int is the nearest float: equal instants compare equal.

    def fake_time() -> float:
        return clock.read_wall() / 1_000_000_000

    def fake_time_ns() -> int:
        return clock.read_wall()

    def fake_monotonic() -> float:
        return (clock.read() + offset_ns) / 1_000_000_000

    def fake_monotonic_ns() -> int:
        return clock.read() + offset_ns

    def fake_localtime(secs: float | None = None) -> time.struct_time:
        return real_localtime(clock.read_wall() // SECOND if secs is None else secs)

    def fake_gmtime(secs: float | None = None) -> time.struct_time:
        return real_gmtime(clock.read_wall() // SECOND if secs is None else secs)

    def fake_ctime(secs: float | None = None) -> str:
        return real_ctime(clock.read_wall() // SECOND if secs is None else secs)

    def fake_strftime(format: str, t: Any = None) -> str:  # noqa: A002
        return real_strftime(format, fake_localtime() if t is None else t)

    return {
        "time": fake_time,
        "time_ns": fake_time_ns,
        "monotonic": fake_monotonic,
        "monotonic_ns": fake_monotonic_ns,
        "perf_counter": fake_monotonic,
        "perf_counter_ns": fake_monotonic_ns,
        "localtime": fake_localtime,
        "gmtime": fake_gmtime,
        "ctime": fake_ctime,
        "strftime": fake_strftime,
    }


def monotonic_ns(clock: VirtualClock) -> int:
    """What ``time.monotonic_ns`` tells under this clock."""
    return clock.ns - clock.start_ns + MONOTONIC_START_NS
