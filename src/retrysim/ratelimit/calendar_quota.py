"""A calendar quota: so many units per day or month of a time zone, all back at its midnight.

A day is as long as the zone makes it: 23 or 25 hours when its clocks change, a month 28 to 31 such days.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from retrysim.clock import to_datetime, to_ns
from retrysim.errors import LimitError
from retrysim.ratelimit.limiter import Decision, negative_cost
from retrysim.ratelimit.states import States


class CalendarQuota:
    """``amount`` units in each ``"day"`` or ``"month"`` of an IANA time zone.

    Raises ``LimitError`` for an amount below 1, another period, and an unknown zone.
    """

    __slots__ = ("_amount", "_calendar", "_used")

    def __init__(self, amount: int, *, per: Literal["day", "month"] = "day", zone: str = "UTC") -> None:
        if amount < 1:
            raise LimitError(f"a quota of {amount} per {per} serves nobody: the amount must be 1 or more")
        self._amount = amount
        self._calendar = _Calendar(per, _zone(zone))
        self._used: States[_Used] = States(_is_over)

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        used = self._current(key, now_ns)
        return self._decision(used, now_ns, cost, allowed=used.units + cost <= self._amount)

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        used = self._current(key, now_ns)
        allowed = used.units + cost <= self._amount
        if allowed:
            self._count(key, used, now_ns, cost)
        return self._decision(used, now_ns, cost, allowed=allowed)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        self._count(key, self._current(key, now_ns), now_ns, cost)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units to the period of now; those of an earlier one ended with it."""
        used = self._current(key, now_ns)
        used.units = max(0, used.units - amount)

    def _current(self, key: Hashable, now_ns: int) -> _Used:
        used = self._used.find(key)
        if used is not None and now_ns < used.end_ns:
            return used
        return _Used(self._calendar.end_ns(now_ns))

    def _count(self, key: Hashable, used: _Used, now_ns: int, cost: int) -> None:
        if not used.units and cost:
            self._used.put(key, used, now_ns)
        used.units += cost

    def _decision(self, used: _Used, now_ns: int, cost: int, *, allowed: bool) -> Decision:
        if allowed:
            retry_at_ns: int | None = now_ns
        else:
            retry_at_ns = used.end_ns if cost <= self._amount else None
        return Decision(
            allowed=allowed,
            limit=self._amount,
            remaining=max(0, self._amount - used.units),
            reset_ns=used.end_ns,
            retry_at_ns=retry_at_ns,
        )


class _Used:
    """The units that one key used in the period that ends at ``end_ns``."""

    __slots__ = ("end_ns", "units")

    def __init__(self, end_ns: int) -> None:
        self.units = 0
        self.end_ns = end_ns


def _is_over(used: _Used, now_ns: int) -> bool:
    return now_ns >= used.end_ns


class _Calendar:
    """The days or months of a time zone; remembers the one that was asked for last."""

    __slots__ = ("_end_ns", "_per", "_start_ns", "_zone")

    def __init__(self, per: Literal["day", "month"], zone: ZoneInfo) -> None:
        if per not in ("day", "month"):
            raise LimitError(f'a quota per {per!r} is not known: expected "day" or "month"')
        self._per = per
        self._zone = zone
        self._start_ns = self._end_ns = 0

    def end_ns(self, now_ns: int) -> int:
        """The end of the period that an instant lies in."""
        if not self._start_ns <= now_ns < self._end_ns:
            self._start_ns, self._end_ns = self._period(now_ns)
        return self._end_ns

    def _period(self, now_ns: int) -> tuple[int, int]:
        today = to_datetime(now_ns).astimezone(self._zone).date()
        first = today if self._per == "day" else today.replace(day=1)
        start_ns, end_ns = self._midnight(first), self._midnight(self._next(first))
        if now_ns < end_ns:
            return start_ns, end_ns
        # The clock was set back across midnight (St. John's, until 2011): yesterday's date, but today has begun.
        return end_ns, self._midnight(self._next(self._next(first)))

    def _next(self, first: date) -> date:
        if self._per == "day":
            return first + timedelta(days=1)
        return (first + timedelta(days=31)).replace(day=1)

    def _midnight(self, day: date) -> int:
        """When a date begins; where the clocks skip midnight that is the instant they are changed."""
        return to_ns(datetime(day.year, day.month, day.day, tzinfo=self._zone))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LimitError(
            f'no time zone {name!r}: expected an IANA name such as "UTC" or "America/Los_Angeles"'
        ) from error
