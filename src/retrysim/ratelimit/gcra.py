"""The generic cell rate algorithm: a bucket that refills all the time, kept as one number per key.

The number is the instant at which the bucket will be full again. ``buckets.py`` has its two everyday views.

One unit comes back every ``window / amount`` nanoseconds, which is seldom a whole number. So instants are counted
in ticks of ``1 / amount`` ns, and one unit is ``window`` ticks: integers, exact for every rate.
"""

from __future__ import annotations

from collections.abc import Hashable

from retrysim.errors import LimitError
from retrysim.ratelimit.limiter import Decision, negative_cost
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.states import States


class Gcra:
    """At most ``burst`` units at once (by default ``rate.amount``), which come back at ``rate``, one by one.

    The limit it shows is the burst; the reset is when all of it is back. Raises ``LimitError`` for a burst below 1.
    """

    __slots__ = ("_burst", "_full_at", "_ticks_per_ns", "_ticks_per_unit")

    def __init__(self, rate: Rate, *, burst: int | None = None) -> None:
        if burst is not None and burst < 1:
            raise LimitError(f"a burst of {burst} serves nobody: it must be 1 or more")
        self._burst = rate.amount if burst is None else burst
        self._ticks_per_ns = rate.amount
        self._ticks_per_unit = rate.window_ns
        self._full_at: States[int] = States(self._is_stale)

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        now = now_ns * self._ticks_per_ns
        full_at = max(now, self._full_at.find(key) or 0)
        fits_at = full_at + (cost - self._burst) * self._ticks_per_unit
        return self._decision(full_at, now_ns, cost, fits_at, allowed=fits_at <= now)

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        now = now_ns * self._ticks_per_ns
        full_at = max(now, self._full_at.find(key) or 0)
        fits_at = full_at + (cost - self._burst) * self._ticks_per_unit
        allowed = fits_at <= now
        if allowed:
            full_at += cost * self._ticks_per_unit
            self._full_at.put(key, full_at, now_ns)
        return self._decision(full_at, now_ns, cost, fits_at, allowed=allowed)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        full_at = max(now_ns * self._ticks_per_ns, self._full_at.find(key) or 0)
        self._full_at.put(key, full_at + cost * self._ticks_per_unit, now_ns)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units to the bucket; it never holds more than the burst."""
        self.charge(key, now_ns, -amount)

    def _decision(self, full_at: int, now_ns: int, cost: int, fits_at: int, *, allowed: bool) -> Decision:
        if allowed:
            retry_at_ns: int | None = now_ns
        else:
            retry_at_ns = -(-fits_at // self._ticks_per_ns) if cost <= self._burst else None
        missing = full_at - now_ns * self._ticks_per_ns
        return Decision(
            allowed=allowed,
            limit=self._burst,
            remaining=max(0, self._burst + (-missing // self._ticks_per_unit)),
            reset_ns=-(-full_at // self._ticks_per_ns),
            retry_at_ns=retry_at_ns,
        )

    def _is_stale(self, full_at: int, now_ns: int) -> bool:
        return full_at <= now_ns * self._ticks_per_ns
