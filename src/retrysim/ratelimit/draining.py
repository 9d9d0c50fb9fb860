"""How fast a limit could have served some calls: all of them there from the start, and none refused."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from retrysim.ratelimit.limiter import Limiter


def drained_ns(limiter: Limiter, costs: Iterable[int], start_ns: int) -> int | None:
    """The first instant at which the last of these calls, in this order, can be served to somebody new.

    ``None`` where nobody can tell: units that come back when an answer ends, or a call that costs more than there is.
    The limiter that is given counts nothing of it.
    """
    somebody, untouched = object(), deepcopy(limiter)
    now_ns = start_ns
    for cost in costs:
        verdict = untouched.check(somebody, now_ns, cost)
        while not verdict.allowed:
            if verdict.retry_at_ns is None:
                return None
            now_ns = verdict.retry_at_ns
            verdict = untouched.check(somebody, now_ns, cost)
        untouched.take(somebody, now_ns, cost)
    return now_ns
