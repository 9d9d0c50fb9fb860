"""What other fakes and limiters get wrong, each as a case that ours must get right."""

import pytest

from retrysim.durations import HOUR, MINUTE, SECOND
from retrysim.errors import LimitError
from retrysim.ratelimit.buckets import token_bucket
from retrysim.ratelimit.calendar_quota import CalendarQuota
from retrysim.ratelimit.concurrency import ConcurrencyCap
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.gcra import Gcra
from retrysim.ratelimit.limiter import latest, whole_seconds_until
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_counter import SlidingCounter
from retrysim.ratelimit.sliding_log import SlidingLog

NOON = 1_438_603_200 * SECOND
ODD_NANOSECONDS = (0, 1, 333_333_333, 499_999_999, 700_000_001, 999_999_999)


def test_none_of_294_clients_that_obey_a_token_bucket_is_refused():
    # mocklimit refills in floats: 49 of 294 clients that come back at exactly its retry_after are refused.
    refused, served = 0, 0

    for amount in range(1, 50):
        for offset in ODD_NANOSECONDS:
            bucket = token_bucket(Rate(amount=amount, window_ns=MINUTE), capacity=amount)
            bucket.take("token", NOON + offset, cost=amount)
            retry_at = bucket.take("token", NOON + offset).retry_at_ns
            refused += not bucket.check("token", retry_at - 1).allowed
            served += bucket.take("token", retry_at).allowed

    assert (refused, served) == (294, 294)


def test_a_dear_call_on_a_sliding_log_waits_for_more_than_the_oldest_entry():
    # mocklimit looks at the oldest entry alone: it says 54 s, and refuses again at 54 s.
    limiter = SlidingLog(Rate.parse("10 per minute"))
    for second in (0, 2, 4, 6, 8):
        limiter.take("token", NOON + second * SECOND, cost=2)

    decision = limiter.take("token", NOON + 9 * SECOND, cost=5)

    # Five units are free when the calls at 0, 2 and 4 s have left, not when the first has.
    assert decision.retry_at_ns == NOON + 64 * SECOND
    assert not limiter.check("token", NOON + 60 * SECOND, cost=5).allowed
    assert limiter.take("token", NOON + 64 * SECOND, cost=5).allowed


@pytest.mark.parametrize(
    "limiter",
    [
        FixedWindow(Rate.parse("10 per minute")),
        SlidingLog(Rate.parse("10 per minute")),
        SlidingCounter(Rate.parse("10 per minute")),
        Gcra(Rate.parse("10 per minute")),
        CalendarQuota(10),
        ConcurrencyCap(10),
    ],
    ids=lambda limiter: type(limiter).__name__,
)
def test_what_costs_more_than_the_capacity_is_told_never_instead_of_a_wait(limiter):
    # mocklimit tells a wait after which the call fails again, and again.
    decision = limiter.take("token", NOON, cost=11)

    assert (decision.allowed, decision.retry_at_ns, decision.remaining) == (False, None, 10)


@pytest.mark.parametrize("offset", ODD_NANOSECONDS)
def test_a_retry_after_in_whole_seconds_never_sends_a_client_too_early(offset):
    # Dev Proxy truncates it: a client that obeys comes up to one second early, and is then told to wait 0 s.
    limiter = FixedWindow(Rate.parse("1 per minute"))
    limiter.take("token", NOON)
    now = NOON + 10 * SECOND + offset

    retry_after = whole_seconds_until(limiter.take("token", now).retry_at_ns, now)

    assert retry_after == 50
    assert limiter.take("token", now + retry_after * SECOND).allowed


@pytest.mark.parametrize(
    ("left_ns", "seconds"),
    [(0, 0), (1, 1), (SECOND, 1), (SECOND + 1, 2), (HOUR, 3600), (-5 * SECOND, 0)],
)
def test_whole_seconds_are_rounded_up_and_never_negative(left_ns, seconds):
    # aoai-simulator has sent negative ones.
    assert whole_seconds_until(NOON + left_ns, NOON) == seconds


def test_the_reset_itself_belongs_to_the_new_window():
    # Dev Proxy compares with "later than the reset", and so refuses at the reset.
    limiter = FixedWindow(Rate.parse("1 per minute"))
    reset = limiter.take("token", NOON).reset_ns

    assert limiter.take("token", reset).allowed


def test_two_tokens_do_not_share_a_counter():
    # Dev Proxy has one counter for all tokens.
    limiter = FixedWindow(Rate.parse("1 per minute"))

    assert [limiter.take(token, NOON).allowed for token in ("token-1", "token-2")] == [True, True]


def test_a_reset_stays_put_while_calls_go_on():
    # mimicker computes now + window anew for each call.
    limiter = FixedWindow(Rate.parse("3 per minute"))

    resets = [limiter.take("token", NOON + second * SECOND).reset_ns for second in (0, 10, 20, 30)]

    assert resets == [NOON + MINUTE] * 4


def test_a_sliding_log_serves_when_it_shows_something_left():
    # limits 5.8: exactly one window later the moving window shows 1 remaining, and refuses the hit.
    limiter = SlidingLog(Rate.parse("1 per minute"))
    limiter.take("token", NOON)

    shown = limiter.check("token", NOON + MINUTE)

    assert (shown.allowed, shown.remaining) == (True, 1)
    assert limiter.take("token", NOON + MINUTE).allowed


@pytest.mark.parametrize("make", [FixedWindow, SlidingLog, SlidingCounter, Gcra])
def test_a_refused_call_takes_nothing(make):
    # limits 5.8: in a fixed window a refused hit of 5 uses up the 3 that were left; in a moving one it does not.
    limiter = make(Rate.parse("10 per minute"))

    served = [limiter.take("token", NOON, cost=cost).allowed for cost in (7, 5, 3)]

    assert served == [True, False, True]


@pytest.mark.parametrize("make", [FixedWindow, SlidingLog, SlidingCounter, Gcra])
def test_the_whole_limit_is_served_at_the_advertised_reset(make):
    # limits 5.8: a sliding counter refuses a hit at the reset that it told.
    limiter = make(Rate.parse("10 per minute"))
    reset = limiter.take("token", NOON + 7, cost=10).reset_ns

    assert limiter.take("token", reset, cost=10).allowed


def test_a_test_that_starts_afresh_at_an_earlier_date_is_not_limited_by_the_one_before():
    # limits 5.8 keeps its counters when the clock goes back; ours live in the limiter that a test makes.
    earlier, later = (FixedWindow(Rate.parse("1 per hour")) for _ in range(2))
    later.take("token", NOON)

    assert earlier.take("token", NOON - 1000 * HOUR).allowed


@pytest.mark.parametrize(
    "make",
    [FixedWindow, SlidingLog, SlidingCounter, Gcra, lambda rate: CalendarQuota(10), lambda rate: ConcurrencyCap(10)],
)
@pytest.mark.parametrize("ask", ["check", "take"])
def test_a_call_cannot_cost_less_than_nothing(make, ask):
    limiter = make(Rate.parse("10 per minute"))

    with pytest.raises(LimitError) as error:
        getattr(limiter, ask)("token", NOON, cost=-2)

    assert str(error.value) == "a call cannot cost -2: a cost is 0 or more; to return units use give_back()"


@pytest.mark.parametrize(
    ("instants", "last"),
    [((3, 1, 2), 3), ((1, None, 2), None), ((7,), 7)],
)
def test_never_is_later_than_any_instant(instants, last):
    assert latest(instants) == last
