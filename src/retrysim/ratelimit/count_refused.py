"""The penalty "a refused call counts": whoever keeps calling while limited uses up what would have come back.

OpenAI does so: unsuccessful requests contribute to the limit. On a fixed window it costs the rest of the window,
on a sliding log an impatient client is never served again.
"""

from __future__ import annotations

from collections.abc import Hashable

from retrysim.ratelimit.limiter import Decision, Limiter


class CountRefused:
    """A limit that counts a refused call as if it had been served."""

    __slots__ = ("_limiter",)

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        return self._limiter.check(key, now_ns, cost)

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        decision = self._limiter.take(key, now_ns, cost)
        if decision.allowed:
            return decision
        self._limiter.charge(key, now_ns, cost)
        return self._limiter.check(key, now_ns, cost)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        self._limiter.charge(key, now_ns, cost)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        self._limiter.give_back(key, now_ns, amount)
