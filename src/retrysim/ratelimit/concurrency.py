"""A cap on what is in flight: a unit is taken when a request begins and given back when its response ends."""

from __future__ import annotations

from collections.abc import Hashable

from retrysim.errors import LimitError
from retrysim.ratelimit.limiter import Decision, negative_cost
from retrysim.ratelimit.states import States


class ConcurrencyCap:
    """At most ``limit`` units in flight.

    Nothing comes back by time: a refused call has no instant to come again (``retry_at_ns`` is ``None``), and the
    reset is always now. Raises ``LimitError`` for a limit below 1.
    """

    __slots__ = ("_in_flight", "_limit")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise LimitError(f"a cap of {limit} serves nobody: it must be 1 or more")
        self._limit = limit
        self._in_flight: States[int] = States(_is_idle)

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        in_flight = self._in_flight.find(key) or 0
        return self._decision(in_flight, now_ns, allowed=in_flight + cost <= self._limit)

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        in_flight = self._in_flight.find(key) or 0
        allowed = in_flight + cost <= self._limit
        if allowed:
            in_flight += cost
            self._in_flight.put(key, in_flight, now_ns)
        return self._decision(in_flight, now_ns, allowed=allowed)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        self._in_flight.put(key, (self._in_flight.find(key) or 0) + cost, now_ns)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Release units; there are never fewer than none in flight."""
        self._in_flight.put(key, max(0, (self._in_flight.find(key) or 0) - amount), now_ns)

    def _decision(self, in_flight: int, now_ns: int, *, allowed: bool) -> Decision:
        return Decision(
            allowed=allowed,
            limit=self._limit,
            remaining=max(0, self._limit - in_flight),
            reset_ns=now_ns,
            retry_at_ns=now_ns if allowed else None,
        )


def _is_idle(in_flight: int, now_ns: int) -> bool:
    return not in_flight
