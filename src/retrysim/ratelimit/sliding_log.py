"""A sliding log ("rolling window"): never more than so many units in any window, wherever it begins.

A unit taken at ``t`` counts in ``[t, t + window)`` and no longer. Each instant with calls in the last window is
remembered; calls at one instant are one entry.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from retrysim.ratelimit.limiter import Decision, negative_cost
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.states import States


class _Log:
    """The calls of one key, oldest first, as ``(instant, units)``; ``units`` is their sum."""

    __slots__ = ("entries", "units")

    def __init__(self) -> None:
        self.entries: deque[tuple[int, int]] = deque()
        self.units = 0


class SlidingLog:
    """At most ``rate.amount`` units in any ``rate.window_ns``; the reset is when the newest call leaves the log."""

    __slots__ = ("_limit", "_logs", "_window_ns")

    def __init__(self, rate: Rate) -> None:
        self._limit = rate.amount
        self._window_ns = rate.window_ns
        self._logs: States[_Log] = States(self._is_stale)

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        log = self._logs.find(key) or _Log()
        remaining = self._limit - log.units + self._expired(log, now_ns)
        return self._decision(log, now_ns, cost, remaining, allowed=cost <= remaining)

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        log = self._current(key, now_ns)
        remaining = self._limit - log.units
        allowed = cost <= remaining
        if allowed:
            _append(log, now_ns, cost)
            remaining -= cost
        return self._decision(log, now_ns, cost, remaining, allowed=allowed)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        _append(self._current(key, now_ns), now_ns, cost)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units: those taken last are the first to leave the log."""
        log = self._current(key, now_ns)
        while amount and log.entries:
            at_ns, units = log.entries.pop()
            returned = min(units, amount)
            amount -= returned
            log.units -= returned
            if units > returned:
                log.entries.append((at_ns, units - returned))

    def _current(self, key: Hashable, now_ns: int) -> _Log:
        """The key's log, without the calls that no longer count."""
        log = self._logs.find(key)
        if log is None:
            log = _Log()
            self._logs.put(key, log, now_ns)
        entries = log.entries
        horizon_ns = now_ns - self._window_ns
        while entries and entries[0][0] <= horizon_ns:
            log.units -= entries.popleft()[1]
        return log

    def _expired(self, log: _Log, now_ns: int) -> int:
        expired = 0
        for at_ns, units in log.entries:
            if at_ns + self._window_ns > now_ns:
                break
            expired += units
        return expired

    def _decision(self, log: _Log, now_ns: int, cost: int, remaining: int, *, allowed: bool) -> Decision:
        newest_ns = log.entries[-1][0] if log.entries else 0
        return Decision(
            allowed=allowed,
            limit=self._limit,
            remaining=max(0, remaining),
            reset_ns=max(now_ns, newest_ns + self._window_ns) if log.entries else now_ns,
            retry_at_ns=now_ns if allowed else self._first_fit(log, cost),
        )

    def _first_fit(self, log: _Log, cost: int) -> int | None:
        """When enough old calls have left for ``cost`` units that do not fit now: not always just the oldest."""
        if cost > self._limit:
            return None
        excess = log.units + cost - self._limit
        leaves_ns = 0
        for at_ns, units in log.entries:
            leaves_ns = at_ns + self._window_ns
            excess -= units
            if excess <= 0:
                break
        return leaves_ns

    def _is_stale(self, log: _Log, now_ns: int) -> bool:
        return not log.entries or log.entries[-1][0] + self._window_ns <= now_ns


def _append(log: _Log, now_ns: int, cost: int) -> None:
    if not cost:
        return
    entries = log.entries
    log.units += cost
    if entries and entries[-1][0] == now_ns:
        entries[-1] = (now_ns, entries[-1][1] + cost)
    else:
        entries.append((now_ns, cost))
