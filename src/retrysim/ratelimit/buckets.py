"""The two everyday views of GCRA: a token bucket, which tells what is left, and a leaky one, which tells its level.

They decide alike; only the numbers on the wire are mirrored.
"""

from __future__ import annotations

from retrysim.ratelimit.gcra import Gcra
from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.rate import Rate


def token_bucket(refill: Rate, *, capacity: int | None = None) -> Gcra:
    """A bucket of ``capacity`` tokens (by default ``refill.amount``) that is refilled all the time at ``refill``.

    Raises ``LimitError`` for a capacity below 1.
    """
    return Gcra(refill, burst=capacity)


def leaky_bucket(leak: Rate, *, size: int | None = None) -> Gcra:
    """A bucket of ``size`` units (by default ``leak.amount``) that leaks at ``leak``, used as a meter.

    Calls that would overflow it are refused; ``level()`` of a decision is how full it is. Raises ``LimitError``
    for a size below 1.
    """
    return Gcra(leak, burst=size)


def level(decision: Decision) -> int:
    """How full a leaky bucket is, in whole units: the 32 of Shopify's ``32/40``."""
    return decision.limit - decision.remaining
