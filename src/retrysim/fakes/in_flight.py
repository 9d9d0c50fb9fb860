"""What is in flight: units of a concurrency cap, given back when the answer that holds them has arrived."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from retrysim.fakes.vendor import Quota


class InFlight:
    """Answers on their way, by the instant at which they end."""

    __slots__ = ("_ends", "_number")

    def __init__(self) -> None:
        self._ends: list[tuple[int, int, Quota]] = []
        self._number = 0

    def hold(self, quotas: Iterable[Quota], until_ns: int) -> None:
        """Keep the units of these quotas taken until an instant."""
        for quota in quotas:
            self._number += 1  # a tie breaks by order, not by comparing quotas
            heapq.heappush(self._ends, (until_ns, self._number, quota))

    def release(self, now_ns: int) -> None:
        """Give back what ended by now; an answer that ends now is over."""
        while self._ends and self._ends[0][0] <= now_ns:
            end_ns, _, quota = heapq.heappop(self._ends)
            quota.limiter.give_back(quota.key, end_ns, quota.cost)
