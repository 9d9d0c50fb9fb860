"""A sliding counter weighs the bucket before by how much of it is still in view."""

from retrysim.durations import MINUTE, SECOND
from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_counter import SlidingCounter

NOON = 1_438_603_200 * SECOND


def full(amount="10 per minute"):
    limiter = SlidingCounter(Rate.parse(amount))
    limiter.take("token", NOON, cost=limiter.check("token", NOON).limit)
    return limiter


def test_a_full_bucket_still_blocks_at_the_very_start_of_the_next():
    limiter = full()

    decision = limiter.take("token", NOON + MINUTE)

    assert (decision.allowed, decision.remaining) == (False, 0)


def test_units_come_back_one_by_one_as_the_bucket_before_fades():
    limiter = full()

    shown = [limiter.check("token", NOON + MINUTE + at * SECOND).remaining for at in (0, 6, 7, 30, 54, 60)]

    # 10 units fade in 60 s. What is left of the tenth counts as nothing as soon as it is less than one unit.
    assert shown == [0, 1, 2, 5, 9, 10]


def test_the_wait_ends_when_the_weighted_bucket_has_faded_by_one():
    limiter = full()

    decision = limiter.take("token", NOON + 30 * SECOND)

    # 10 * (60s - e) / 60s is below 10 as soon as e is 1 ns; all of it is below 1 from 54 s and 1 ns on.
    assert decision == Decision(
        allowed=False,
        limit=10,
        remaining=0,
        reset_ns=NOON + MINUTE + 54 * SECOND + 1,
        retry_at_ns=NOON + MINUTE + 1,
    )


def test_a_dear_call_waits_until_enough_has_faded():
    limiter = full()

    decision = limiter.take("token", NOON + 30 * SECOND, cost=5)

    # Below 6 from 24 s and 1 ns on.
    assert decision.retry_at_ns == NOON + MINUTE + 24 * SECOND + 1


def test_a_bucket_two_windows_old_counts_for_nothing():
    limiter = full()

    assert limiter.check("token", NOON + 2 * MINUTE).remaining == 10


def test_refunded_units_leave_the_current_bucket_only():
    limiter = full()
    limiter.give_back("token", NOON + SECOND, amount=4)

    limiter.take("token", NOON + MINUTE, cost=2)
    limiter.give_back("token", NOON + MINUTE, amount=5)

    assert limiter.check("token", NOON + MINUTE).remaining == 4


def test_the_state_of_a_key_is_two_numbers_however_long_it_calls():
    limiter = SlidingCounter(Rate.parse("10 per minute"))

    for second in range(500):
        limiter.take("token", NOON + second * SECOND)

    buckets = limiter._buckets.find("token")
    assert (buckets.index, buckets.previous, buckets.current) == ((NOON + 480 * SECOND) // MINUTE, 10, 4)
