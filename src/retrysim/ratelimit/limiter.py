"""The protocol of a rate limit: time is an argument, state is integers, a decision is data.

Windows are half-open, ``[start, start + window)``: a call at exactly the end of one window belongs to the next.
The time given for one key does not run backwards.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Protocol

from retrysim.durations import SECOND
from retrysim.errors import LimitError


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a limit says to one call at one instant.

    ``limit`` and ``remaining`` count units (calls, points, tokens) as the limit shows them: ``take`` shows what is
    left *after* this call, ``check`` what is left now. ``reset_ns`` is when it says that the full quota is back.
    ``retry_at_ns`` is the first instant, not before now, at which the same call would be served if nobody else
    called: now if it is allowed, ``None`` if never, or if it depends on somebody giving back. Instants are
    nanoseconds since the epoch.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_ns: int
    retry_at_ns: int | None


class Limiter(Protocol):
    """One limit, counted apart for each key (token, app, IP, route, ...)."""

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        """The verdict ``take`` would give, and the quota as it stands; opens no window and counts nothing."""
        ...

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        """Ask for ``cost`` units: taken if allowed, nothing taken if not."""
        ...

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        """Count units without asking: a cost known only afterwards, or a refused call that counts."""
        ...

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units: a refund of an estimated cost, or a response that ended (concurrency)."""
        ...


def negative_cost(cost: int) -> LimitError:
    """The error for a call that would cost less than nothing."""
    return LimitError(f"a call cannot cost {cost}: a cost is 0 or more; to return units use give_back()")


def whole_seconds_until(instant_ns: int, now_ns: int) -> int:
    """The seconds from now to an instant, rounded up: who waits that long never comes too early."""
    return max(0, -((now_ns - instant_ns) // SECOND))


def latest(instants_ns: Iterable[int | None]) -> int | None:
    """The last of some instants; ``None`` is never, and never is later than any."""
    last_ns = 0
    for instant_ns in instants_ns:
        if instant_ns is None:
            return None
        last_ns = max(last_ns, instant_ns)
    return last_ns
