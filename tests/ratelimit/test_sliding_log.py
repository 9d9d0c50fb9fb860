"""A sliding log never serves more than its amount in any window, wherever that begins."""

from retrysim.durations import MINUTE, SECOND
from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_log import SlidingLog

NOON = 1_438_603_200 * SECOND


def seconds(*offsets):
    return [NOON + offset * SECOND for offset in offsets]


def test_a_call_leaves_the_log_exactly_one_window_after_it_came():
    limiter = SlidingLog(Rate.parse("1 per minute"))

    served = [limiter.take("token", at).allowed for at in (NOON, NOON + MINUTE - 1, NOON + MINUTE)]

    assert served == [True, False, True]


def test_no_window_holds_more_than_the_amount():
    limiter = SlidingLog(Rate.parse("2 per minute"))

    served = [limiter.take("token", at).allowed for at in seconds(0, 59, 60, 61, 118, 119)]

    assert served == [True, True, True, False, False, True]


def test_the_wait_is_for_the_oldest_call_and_the_reset_for_the_newest():
    limiter = SlidingLog(Rate.parse("2 per minute"))
    limiter.take("token", NOON)
    limiter.take("token", NOON + 20 * SECOND)

    decision = limiter.take("token", NOON + 30 * SECOND)

    assert decision == Decision(
        allowed=False,
        limit=2,
        remaining=0,
        reset_ns=NOON + 80 * SECOND,
        retry_at_ns=NOON + 60 * SECOND,
    )


def test_an_untouched_key_has_everything_now():
    limiter = SlidingLog(Rate.parse("2 per minute"))

    shown = limiter.check("token", NOON)

    assert shown == Decision(allowed=True, limit=2, remaining=2, reset_ns=NOON, retry_at_ns=NOON)


def test_a_check_of_later_forgets_nothing():
    limiter = SlidingLog(Rate.parse("1 per minute"))
    limiter.take("token", NOON)

    later = limiter.check("token", NOON + MINUTE)
    now = limiter.take("token", NOON + SECOND)

    assert (later.allowed, later.remaining) == (True, 1)
    assert not now.allowed


def test_units_come_back_from_the_newest_call_first():
    limiter = SlidingLog(Rate.parse("4 per minute"))
    limiter.take("token", NOON, cost=2)
    limiter.take("token", NOON + 10 * SECOND, cost=2)
    limiter.give_back("token", NOON + 20 * SECOND, amount=3)

    shown = limiter.check("token", NOON + 20 * SECOND, cost=4)

    assert (shown.remaining, shown.reset_ns, shown.retry_at_ns) == (
        3,
        NOON + 60 * SECOND,
        NOON + 60 * SECOND,
    )


def test_calls_that_left_the_log_are_not_kept():
    limiter = SlidingLog(Rate.parse("100 per minute"))

    for at in seconds(*range(1000)):
        limiter.take("token", at)

    assert len(limiter._logs.find("token").entries) == 60


def test_calls_at_one_instant_are_one_entry():
    limiter = SlidingLog(Rate.parse("100 per minute"))

    for _ in range(50):
        limiter.take("token", NOON)

    assert list(limiter._logs.find("token").entries) == [(NOON, 50)]
