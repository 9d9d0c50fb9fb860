"""A fixed window: so many units until the window ends, then all of them again.

The window of a key is opened by its first call (Twitter, IBM, MockServer), or by the clock for everybody
(Mastodon, many gateways).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal

from retrysim.durations import format_duration
from retrysim.errors import LimitError
from retrysim.ratelimit.limiter import Decision, negative_cost
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.states import States


class _Window:
    """One window of one key: what was used, the reset it tells, and when it really ends."""

    __slots__ = ("end_ns", "reset_ns", "used")

    def __init__(self, reset_ns: int, end_ns: int) -> None:
        self.used = 0
        self.reset_ns = reset_ns
        self.end_ns = end_ns


class FixedWindow:
    """``rate.amount`` units in each window of ``rate.window_ns``.

    ``opened_by`` is ``"first_call"`` or ``"clock"``; on the clock windows begin at multiples of their length since
    the epoch. A window opened by a call begins at the call, floored to ``start_resolution_ns``: with one second,
    its reset is a whole second, as an API must have it that tells resets in epoch seconds.

    Two departures that real services show: ``reopens_at="float"`` tells that rounded reset but counts from the
    exact call, so that whoever comes back at the reset is refused; ``extra_calls`` serves so many more units than
    the limit tells.

    Raises ``LimitError`` for a start resolution that is longer than the window, and for negative extra calls.
    """

    __slots__ = ("_capacity", "_exact", "_rate", "_step_ns", "_windows")

    def __init__(
        self,
        rate: Rate,
        *,
        opened_by: Literal["first_call", "clock"] = "first_call",
        start_resolution_ns: int = 1,
        reopens_at: Literal["reset", "float"] = "reset",
        extra_calls: int = 0,
    ) -> None:
        if not 1 <= start_resolution_ns <= rate.window_ns:
            raise LimitError(_too_coarse(start_resolution_ns, rate))
        if extra_calls < 0:
            raise LimitError(f"extra_calls is {extra_calls}: expected 0 or more; for fewer calls lower the rate")
        self._rate = rate
        self._capacity = rate.amount + extra_calls
        self._step_ns = rate.window_ns if opened_by == "clock" else start_resolution_ns
        self._exact = reopens_at == "float" and opened_by == "first_call"
        self._windows: States[_Window] = States(_is_over)

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        window = self._window(key, now_ns)
        return self._decision(window, now_ns, cost, allowed=window.used + cost <= self._capacity)

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        if cost < 0:
            raise negative_cost(cost)
        window = self._window(key, now_ns)
        allowed = window.used + cost <= self._capacity
        if allowed:
            self._count(key, window, now_ns, cost)
        return self._decision(window, now_ns, cost, allowed=allowed)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        self._count(key, self._window(key, now_ns), now_ns, cost)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units to the window of now; units of a window that has ended ended with it."""
        window = self._window(key, now_ns)
        window.used = max(0, window.used - amount)

    def _window(self, key: Hashable, now_ns: int) -> _Window:
        """The key's window, or the one that a call would open now."""
        window = self._windows.find(key)
        if window is not None and now_ns < window.end_ns:
            return window
        reset_ns = now_ns - now_ns % self._step_ns + self._rate.window_ns
        return _Window(reset_ns, now_ns + self._rate.window_ns if self._exact else reset_ns)

    def _count(self, key: Hashable, window: _Window, now_ns: int, cost: int) -> None:
        if not window.used and cost:
            self._windows.put(key, window, now_ns)
        window.used += cost

    def _decision(self, window: _Window, now_ns: int, cost: int, *, allowed: bool) -> Decision:
        if allowed:
            retry_at_ns: int | None = now_ns
        else:
            retry_at_ns = window.end_ns if cost <= self._capacity else None
        return Decision(
            allowed=allowed,
            limit=self._rate.amount,
            remaining=max(0, self._rate.amount - window.used),
            reset_ns=window.reset_ns,
            retry_at_ns=retry_at_ns,
        )


def _is_over(window: _Window, now_ns: int) -> bool:
    return now_ns >= window.end_ns


def _too_coarse(start_resolution_ns: int, rate: Rate) -> str:
    return (
        f"windows of {format_duration(rate.window_ns)} cannot start in steps of "
        f"{format_duration(start_resolution_ns)}: expected a start resolution from 1 ns up to the window"
    )
