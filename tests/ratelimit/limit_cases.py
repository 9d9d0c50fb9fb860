"""Every limiter beside the oracle of its definition, both made of one rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import limit_oracles as oracles
from limit_oracles import Oracle

from retrysim.ratelimit.calendar_quota import CalendarQuota
from retrysim.ratelimit.concurrency import ConcurrencyCap
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.gcra import Gcra
from retrysim.ratelimit.limiter import Limiter
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_counter import SlidingCounter
from retrysim.ratelimit.sliding_log import SlidingLog


@dataclass(frozen=True)
class Case:
    """A limiter made of a rate, its oracle, and how much of what it tells follows from the oracle."""

    make: Callable[[Rate], Limiter]
    oracle: Callable[[Rate], Oracle]
    tells_remaining: bool = True
    reset_is_all_back: bool = True


def fixed(rate: Rate) -> Oracle:
    return oracles.fixed_window_opened_by_first_call(rate.amount, rate.window_ns)


def half(rate: Rate) -> int:
    return max(1, rate.window_ns // 2)


CASES = {
    "fixed-window-first-call": Case(FixedWindow, fixed, reset_is_all_back=False),
    "fixed-window-whole-steps": Case(
        lambda rate: FixedWindow(rate, start_resolution_ns=half(rate)),
        lambda rate: oracles.fixed_window_opened_by_first_call(rate.amount, rate.window_ns, half(rate)),
        reset_is_all_back=False,
    ),
    "fixed-window-reopening-late": Case(
        lambda rate: FixedWindow(rate, start_resolution_ns=half(rate), reopens_at="float"),
        fixed,
        reset_is_all_back=False,
    ),
    "fixed-window-serving-more": Case(
        lambda rate: FixedWindow(rate, extra_calls=2),
        lambda rate: oracles.fixed_window_opened_by_first_call(rate.amount + 2, rate.window_ns),
        tells_remaining=False,
        reset_is_all_back=False,
    ),
    "fixed-window-clock": Case(
        lambda rate: FixedWindow(rate, opened_by="clock"),
        lambda rate: oracles.fixed_window_on_the_clock(rate.amount, rate.window_ns),
        reset_is_all_back=False,
    ),
    "sliding-log": Case(SlidingLog, lambda rate: oracles.sliding_log(rate.amount, rate.window_ns)),
    "sliding-counter": Case(SlidingCounter, lambda rate: oracles.sliding_counter(rate.amount, rate.window_ns)),
    "gcra": Case(Gcra, lambda rate: oracles.token_bucket(rate.amount, rate.amount, rate.window_ns)),
    "gcra-small-burst": Case(
        lambda rate: Gcra(rate, burst=2),
        lambda rate: oracles.token_bucket(2, rate.amount, rate.window_ns),
    ),
    "gcra-large-burst": Case(
        lambda rate: Gcra(rate, burst=3 * rate.amount),
        lambda rate: oracles.token_bucket(3 * rate.amount, rate.amount, rate.window_ns),
    ),
    "concurrency": Case(
        lambda rate: ConcurrencyCap(rate.amount),
        lambda rate: oracles.concurrency(rate.amount),
        reset_is_all_back=False,
    ),
}

CALENDAR_CASES = {
    zone: Case(
        lambda rate, zone=zone: CalendarQuota(rate.amount, zone=zone),
        lambda rate, zone=zone: oracles.calendar_days(rate.amount, zone),
        reset_is_all_back=False,
    )
    for zone in ("UTC", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe")
}
