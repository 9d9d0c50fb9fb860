"""Calling while limited is free, counts, extends the block, makes the wait grow, or ends in a ban."""

import pytest

from retrysim.durations import HOUR, MINUTE, SECOND
from retrysim.errors import LimitError
from retrysim.ratelimit.count_refused import CountRefused
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.gcra import Gcra
from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.penalised import Penalised
from retrysim.ratelimit.penalties import Ban, Extend, Grow
from retrysim.ratelimit.penalty import Offence
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_log import SlidingLog

NOON = 1_438_603_200 * SECOND


def minute():
    return FixedWindow(Rate.parse("1 per minute"))


def told_waits(limiter, *seconds):
    """``(second, how many seconds to wait)`` of each call; 0 for one that was served, None for never."""
    waits = []
    for second in seconds:
        now = NOON + second * SECOND
        retry_at = limiter.take("client", now).retry_at_ns
        waits.append((second, None if retry_at is None else (retry_at - now) // SECOND))
    return waits


def test_without_a_penalty_an_impatient_client_loses_nothing():
    assert told_waits(minute(), 0, 10, 20, 30, 60) == [(0, 0), (10, 50), (20, 40), (30, 30), (60, 0)]


def test_if_refused_calls_count_an_impatient_client_never_recovers_on_a_sliding_log():
    impatient, patient = (
        CountRefused(SlidingLog(Rate.parse("1 per minute"))),
        CountRefused(SlidingLog(Rate.parse("1 per minute"))),
    )

    assert told_waits(impatient, 0, 50, 100, 150, 200) == [(0, 0), (50, 60), (100, 60), (150, 60), (200, 60)]
    assert told_waits(patient, 0, 50, 110) == [(0, 0), (50, 60), (110, 0)]


def test_if_refused_calls_count_a_token_bucket_runs_a_debt():
    limiter = CountRefused(Gcra(Rate.parse("60 per minute"), burst=1))

    assert told_waits(limiter, 0, 0, 0, 0, 4) == [(0, 0), (0, 2), (0, 3), (0, 4), (4, 0)]


def test_if_refused_calls_count_they_use_up_the_rest_of_a_fixed_window():
    limiter = CountRefused(FixedWindow(Rate.parse("10 per minute")))
    limiter.take("client", NOON, cost=7)

    dear = limiter.take("client", NOON, cost=5)
    cheap = limiter.take("client", NOON, cost=3)

    assert [dear.allowed, cheap.allowed] == [False, False]
    assert limiter.take("client", NOON + MINUTE, cost=10).allowed


def test_an_early_retry_is_answered_with_the_same_or_a_longer_wait():
    limiter = Penalised(minute(), Extend(wait_ns=40 * SECOND))

    told = told_waits(limiter, 0, 10, 15, 30, 60, 100)

    # The second call is told 50 s; too early at 15 s it is told the same end, at 30 s and 60 s a later one.
    assert told == [(0, 0), (10, 50), (15, 45), (30, 40), (60, 40), (100, 0)]


def test_a_client_more_impatient_than_the_extension_is_never_served():
    limiter = Penalised(minute(), Extend(wait_ns=30 * SECOND))

    told = told_waits(limiter, *range(0, 300, 20))

    assert told[0] == (0, 0)
    assert all(wait > 0 for _, wait in told[1:])


def test_the_wait_grows_with_each_refused_call_up_to_the_longest():
    limiter = Penalised(minute(), Grow(first_ns=60 * SECOND, longest_ns=300 * SECOND))

    told = told_waits(limiter, 0, 10, 20, 30, 40, 50)

    assert told == [(0, 0), (10, 60), (20, 120), (30, 240), (40, 300), (50, 300)]


def test_a_served_call_makes_the_next_refusal_the_first_again():
    limiter = Penalised(minute(), Grow(first_ns=60 * SECOND, longest_ns=300 * SECOND))

    told = told_waits(limiter, 0, 10, 20, 140, 150)

    assert told == [(0, 0), (10, 60), (20, 120), (140, 0), (150, 60)]


def test_a_wait_that_has_grown_for_ever_stays_at_the_longest():
    penalty = Grow(first_ns=1, longest_ns=HOUR, factor=10)

    assert penalty.blocked_until(Offence(at_ns=NOON, count=10**9)) == NOON + HOUR


def test_after_enough_refused_calls_the_client_is_banned_for_ever():
    limiter = Penalised(minute(), Ban(after=3))

    told = told_waits(limiter, 0, 1, 2, 3, 4, 1_000_000)

    assert told == [(0, 0), (1, 59), (2, 58), (3, None), (4, None), (1_000_000, None)]


def test_a_ban_that_is_over_is_over():
    limiter = Penalised(minute(), Ban(after=2, lasts_ns=HOUR))

    told = told_waits(limiter, 0, 1, 2, 3602, 3603)

    assert told == [(0, 0), (1, 59), (2, 3600), (3602, 0), (3603, 59)]


def test_a_refused_call_during_a_ban_counts_towards_the_next():
    limiter = Penalised(minute(), Ban(after=2, lasts_ns=HOUR))

    told = told_waits(limiter, 0, 1, 2, 3, 1000)

    assert told == [(0, 0), (1, 59), (2, 3600), (3, 3599), (1000, 3600)]


def test_refused_calls_of_an_earlier_window_are_forgotten():
    limiter = Penalised(FixedWindow(Rate.parse("1 per hour")), Ban(after=3), counted_for_ns=10 * MINUTE)

    told = told_waits(limiter, 0, 60, 61, 659, 1259, 1260)

    # The first two are counted from 60 s to 660 s, with the third; at 659 s it bans.
    assert told == [(0, 0), (60, 3540), (61, 3539), (659, None), (1259, None), (1260, None)]


def test_the_window_of_counted_refusals_is_half_open():
    limiter = Penalised(FixedWindow(Rate.parse("1 per hour")), Ban(after=3), counted_for_ns=10 * MINUTE)

    told = told_waits(limiter, 0, 60, 61, 660, 661, 662)

    assert told == [(0, 0), (60, 3540), (61, 3539), (660, 2940), (661, 2939), (662, None)]


def test_a_served_call_does_not_end_a_window_of_counted_refusals():
    limiter = Penalised(minute(), Ban(after=2), counted_for_ns=10 * MINUTE)

    told = told_waits(limiter, 0, 10, 60, 70)

    assert told == [(0, 0), (10, 50), (60, 0), (70, None)]


def test_a_blocked_client_is_shown_nothing_left_and_the_end_of_the_block():
    limiter = Penalised(FixedWindow(Rate.parse("1 per minute")), Grow(first_ns=HOUR, longest_ns=HOUR))
    limiter.take("client", NOON)
    limiter.take("client", NOON + SECOND)

    shown = limiter.check("client", NOON + 10 * MINUTE)

    end = NOON + SECOND + HOUR
    assert shown == Decision(allowed=False, limit=1, remaining=0, reset_ns=end, retry_at_ns=end)


def test_a_call_that_can_never_be_served_does_not_block_those_that_can():
    limiter = Penalised(FixedWindow(Rate.parse("10 per minute")), Ban(after=5))

    refused = limiter.take("client", NOON, cost=11)
    served = limiter.take("client", NOON, cost=10)

    assert (refused.allowed, refused.retry_at_ns) == (False, None)
    assert served.allowed


def test_a_penalty_is_for_the_client_that_earned_it():
    limiter = Penalised(minute(), Ban(after=1))
    limiter.take("rude", NOON)
    limiter.take("rude", NOON)

    assert not limiter.check("rude", NOON + HOUR).allowed
    assert limiter.check("polite", NOON + HOUR).allowed


def test_a_refund_reaches_the_limit_under_the_penalty():
    limiter = Penalised(CountRefused(FixedWindow(Rate.parse("10 per minute"))), Ban(after=5))
    limiter.charge("client", NOON, cost=10)

    limiter.give_back("client", NOON, amount=4)

    assert limiter.check("client", NOON).remaining == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Extend(wait_ns=0), "wait_ns is 0s: a penalty must last longer than 0s"),
        (
            lambda: Grow(first_ns=0, longest_ns=SECOND),
            "first_ns is 0s: a penalty must last longer than 0s",
        ),
        (
            lambda: Grow(first_ns=MINUTE, longest_ns=SECOND),
            "the longest wait of 1s is shorter than the first of 1m: expected longest_ns >= first_ns",
        ),
        (
            lambda: Grow(first_ns=SECOND, longest_ns=MINUTE, factor=1),
            "a wait does not grow by a factor of 1: expected 2 or more",
        ),
        (lambda: Ban(after=0), "a ban after 0 refused calls is none: expected 1 or more"),
        (lambda: Ban(after=1, lasts_ns=-SECOND), "lasts_ns is -1s: a penalty must last longer than 0s"),
        (
            lambda: Penalised(minute(), Ban(after=1), counted_for_ns=0),
            "refused calls cannot be counted for 0s: expected more than 0s, or None to count them in a row",
        ),
    ],
)
def test_a_penalty_that_is_none_is_refused(make, message):
    with pytest.raises(LimitError) as error:
        make()

    assert str(error.value) == message
