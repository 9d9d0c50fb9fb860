"""A sliding counter: two buckets on the clock's grid, the older one weighted by how much of it is still in view.

It approximates a sliding log with two numbers per key, as gateways do. With ``e`` nanoseconds of the bucket gone,
what counts as used is ``floor(previous * (window - e) / window) + current``: at the very start of a bucket the
previous one still counts in full.
"""

from __future__ import annotations

from collections.abc import Hashable

from retrysim.ratelimit.limiter import Decision, negative_cost
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.states import States


class _Buckets:
    """The bucket of one key that its last call fell into, and the one before; ``index`` counts from the epoch."""

    __slots__ = ("current", "index", "previous")

    def __init__(self, index: int, previous: int, current: int) -> None:
        self.index = index
        self.previous = previous
        self.current = current


class SlidingCounter:
    """About ``rate.amount`` units in any ``rate.window_ns``; the reset is when nothing used counts any more."""

    __slots__ = ("_buckets", "_limit", "_window_ns")

    def __init__(self, rate: Rate) -> None:
        self._limit = rate.amount
        self._window_ns = rate.window_ns
        self._buckets: States[_Buckets] = States(self._is_stale)

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        buckets = self._at(key, now_ns)
        return self._decision(buckets, now_ns, cost, self._first_fit(buckets, now_ns, cost))

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        buckets = self._at(key, now_ns)
        fits_ns = self._first_fit(buckets, now_ns, cost)
        if fits_ns == now_ns and cost:
            buckets.current += cost
            self._buckets.put(key, buckets, now_ns)
        return self._decision(buckets, now_ns, cost, fits_ns)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        buckets = self._at(key, now_ns)
        buckets.current += cost
        self._buckets.put(key, buckets, now_ns)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units to the current bucket; those of an older one are left to fade."""
        buckets = self._at(key, now_ns)
        buckets.current = max(0, buckets.current - amount)
        self._buckets.put(key, buckets, now_ns)

    def _at(self, key: Hashable, now_ns: int) -> _Buckets:
        """The key's buckets, or those that a call would fall into now."""
        index = now_ns // self._window_ns
        last = self._buckets.find(key)
        if last is None or last.index < index - 1:
            return _Buckets(index, 0, 0)
        if last.index < index:
            return _Buckets(index, last.current, 0)
        return last

    def _decision(self, buckets: _Buckets, now_ns: int, cost: int, fits_ns: int | None) -> Decision:
        seen_ns = (buckets.index + 1) * self._window_ns - now_ns
        used = buckets.previous * seen_ns // self._window_ns + buckets.current
        reset_ns = self._first_fit(buckets, now_ns, self._limit)
        assert reset_ns is not None, "the whole limit fits into an empty one"
        return Decision(
            allowed=fits_ns == now_ns,
            limit=self._limit,
            remaining=max(0, self._limit - used),
            reset_ns=reset_ns,
            retry_at_ns=fits_ns,
        )

    def _first_fit(self, buckets: _Buckets, now_ns: int, cost: int) -> int | None:
        """The first instant, not before now, at which ``cost`` more units fit."""
        if cost > self._limit:
            return None
        start_ns = buckets.index * self._window_ns
        room = self._limit - cost - buckets.current
        if room >= 0:
            return max(now_ns, start_ns + self._faded(buckets.previous, room))
        return start_ns + self._window_ns + self._faded(buckets.current, self._limit - cost)

    def _faded(self, units: int, room: int) -> int:
        """How far into the next bucket ``units`` have faded to ``room``: the least e with
        ``units * (window - e) < (room + 1) * window``."""
        if units <= room:
            return 0
        return self._window_ns + 1 + (-(room + 1) * self._window_ns) // units

    def _is_stale(self, buckets: _Buckets, now_ns: int) -> bool:
        return buckets.index < now_ns // self._window_ns - 1
