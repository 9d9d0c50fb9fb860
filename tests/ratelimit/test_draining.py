"""The optimum of a limit, against every schedule that there is."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from limit_cases import CASES

from retrysim.durations import MINUTE, SECOND
from retrysim.ratelimit.buckets import leaky_bucket, token_bucket
from retrysim.ratelimit.concurrency import ConcurrencyCap
from retrysim.ratelimit.draining import drained_ns
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_log import SlidingLog

TIMED = sorted(set(CASES) - {"concurrency"})


def serves(make, rate, instants):
    limiter = make(rate)
    return all(limiter.take("a", instant).allowed for instant in instants)


def best(make, rate, calls, start, horizon):
    """The least last instant of all schedules that begin at the start and are served without one refusal."""
    for last in range(start, start + horizon):
        between = range(start, last + 1)
        if any(serves(make, rate, (start, *some, last)) for some in combinations_with_replacement(between, calls - 2)):
            return last
    return None


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize(("amount", "window_ns", "calls", "start"), [(1, 3, 3, 5), (2, 4, 4, 7), (3, 5, 5, 1)])
def test_no_schedule_is_faster_than_the_optimum(name, amount, window_ns, calls, start):
    make, rate = CASES[name].make, Rate(amount=amount, window_ns=window_ns)

    optimum = drained_ns(make(rate), [1] * calls, start)

    assert optimum == best(make, rate, calls, start, horizon=14)


@pytest.mark.parametrize(
    ("limiter", "calls", "optimum"),
    [
        (FixedWindow(Rate.parse("10 per minute")), 35, 3 * MINUTE),
        (FixedWindow(Rate.parse("10 per minute"), opened_by="clock"), 35, 160 * SECOND),  # it begins at 20 seconds
        (SlidingLog(Rate.parse("10 per minute")), 35, 3 * MINUTE),
        (token_bucket(Rate.parse("10 per minute"), capacity=5), 35, 180 * SECOND),
        (leaky_bucket(Rate.parse("10 per minute"), size=5), 35, 180 * SECOND),
        (ConcurrencyCap(35), 35, 0),
        (ConcurrencyCap(34), 35, None),
    ],
)
def test_the_optimum_of_each_kind_is_what_its_definition_says(limiter, calls, optimum):
    start = 20 * SECOND

    drained = drained_ns(limiter, [1] * calls, start)

    assert drained == (None if optimum is None else start + optimum)


def test_it_counts_costs_and_leaves_the_limiter_as_it_was():
    limiter = token_bucket(Rate.parse("60 per minute"))
    limiter.take("a", 0, 60)

    assert drained_ns(limiter, [30, 30, 30], 0) == 30 * SECOND
    assert drained_ns(limiter, [61], 0) is None
    assert limiter.check("a", SECOND).remaining == 1
