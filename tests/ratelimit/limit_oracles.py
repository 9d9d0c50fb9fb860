"""Each limit's definition, recomputed from a key's full history: slow, plain, and written apart from the limiters.

An oracle says whether a call of ``cost`` units at ``now`` is allowed after a history; everything else that a limit
tells (when to come back, what remains, when all is back) follows from that one question, asked often enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

from retrysim.clock import to_datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a key."""

    at: int
    kind: Literal["served", "refused", "charged", "returned"]
    units: int


History = list[Event]
Oracle = Callable[[History, int, int], bool]


def fixed_window_opened_by_first_call(amount: int, window: int, resolution: int = 1) -> Oracle:
    def allows(history: History, now: int, cost: int) -> bool:
        start, used = None, 0
        for event in [*history, Event(now, "served", 0)]:
            if start is not None and event.at >= start + window:
                start, used = None, 0
            if event.kind in ("served", "charged") and event.units:
                start = event.at // resolution * resolution if start is None else start
                used += event.units
            if event.kind == "returned":
                used = max(0, used - event.units)
        return used + cost <= amount

    return allows


def fixed_window_on_the_clock(amount: int, window: int) -> Oracle:
    def allows(history: History, now: int, cost: int) -> bool:
        return used_where(history, lambda at: at // window == now // window) + cost <= amount

    return allows


def calendar_days(amount: int, zone: str) -> Oracle:
    def local_date(at: int) -> object:
        return to_datetime(at).astimezone(ZoneInfo(zone)).date()

    def allows(history: History, now: int, cost: int) -> bool:
        return used_where(history, lambda at: local_date(at) == local_date(now)) + cost <= amount

    return allows


def sliding_log(amount: int, window: int) -> Oracle:
    def allows(history: History, now: int, cost: int) -> bool:
        taken: list[int] = []
        for event in history:
            if event.kind in ("served", "charged"):
                taken += [event.at] * event.units
            if event.kind == "returned":
                for _ in range(event.units):
                    if taken and taken[-1] > event.at - window:
                        taken.pop()
        return sum(now - window < at <= now for at in taken) + cost <= amount

    return allows


def sliding_counter(amount: int, window: int) -> Oracle:
    def allows(history: History, now: int, cost: int) -> bool:
        bucket, elapsed = divmod(now, window)
        previous = used_where(history, lambda at: at // window == bucket - 1)
        current = used_where(history, lambda at: at // window == bucket)
        weighted = Fraction(previous) * (window - elapsed) / window
        return weighted // 1 + current + cost <= amount

    return allows


def token_bucket(capacity: int, refill: int, window: int) -> Oracle:
    def allows(history: History, now: int, cost: int) -> bool:
        tokens, last = Fraction(capacity), 0
        for event in [*history, Event(now, "served", 0)]:
            tokens = min(Fraction(capacity), tokens + Fraction(refill, window) * (event.at - last))
            last = event.at
            if event.kind in ("served", "charged"):
                tokens -= event.units
            if event.kind == "returned":
                tokens = min(Fraction(capacity), tokens + event.units)
        return tokens >= cost

    return allows


def concurrency(amount: int) -> Oracle:
    def allows(history: History, now: int, cost: int) -> bool:
        return used_where(history, lambda at: True) + cost <= amount

    return allows


def used_where(history: History, counts: Callable[[int], bool]) -> int:
    """Units taken at the instants that count, less those returned there; never fewer than none."""
    used = 0
    for event in history:
        if counts(event.at) and event.kind in ("served", "charged"):
            used += event.units
        if counts(event.at) and event.kind == "returned":
            used = max(0, used - event.units)
    return used


def remaining(allows: Oracle, history: History, now: int, limit: int) -> int:
    """The most units that one call could have now, out of ``limit``."""
    return max((cost for cost in range(limit + 1) if allows(history, now, cost)), default=0)


def first_instant(allows: Oracle, history: History, now: int, cost: int, horizon: int) -> int | None:
    """The first instant at which the call is allowed, found by trying each one up to the horizon."""
    return next((at for at in range(now, now + horizon) if allows(history, at, cost)), None)
