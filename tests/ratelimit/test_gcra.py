"""GCRA gives units back one by one, exactly, also where one takes no whole number of nanoseconds."""

import pytest

from retrysim.durations import MINUTE, SECOND
from retrysim.errors import LimitError
from retrysim.ratelimit.buckets import leaky_bucket, level, token_bucket
from retrysim.ratelimit.gcra import Gcra
from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.rate import Rate

NOON = 1_438_603_200 * SECOND


def test_after_a_burst_units_come_back_one_interval_apart():
    limiter = Gcra(Rate.parse("60 per minute"), burst=3)

    served = [(half, limiter.take("token", NOON + half * SECOND // 2).allowed) for half in [0, 0, 0, 0, *range(1, 7)]]

    assert served == [
        (0, True), (0, True), (0, True), (0, False),
        (1, False), (2, True), (3, False), (4, True), (5, False), (6, True),
    ]  # fmt: skip


def test_the_wait_is_for_the_next_unit_and_the_reset_for_all_of_them():
    limiter = Gcra(Rate.parse("60 per minute"), burst=3)
    limiter.take("token", NOON, cost=3)

    decision = limiter.take("token", NOON + SECOND // 4)

    assert decision == Decision(
        allowed=False, limit=3, remaining=0, reset_ns=NOON + 3 * SECOND, retry_at_ns=NOON + SECOND
    )


def test_an_interval_that_is_no_whole_number_is_rounded_up_once_not_each_time():
    limiter = Gcra(Rate.parse("3 per second"))
    limiter.take("token", NOON, cost=3)

    waits = [limiter.check("token", NOON, cost=cost).retry_at_ns - NOON for cost in (1, 2, 3)]

    assert waits == [333_333_334, 666_666_667, 1_000_000_000]


def test_a_client_that_always_obeys_gets_the_exact_rate():
    limiter = Gcra(Rate.parse("7 per second"))
    limiter.take("token", NOON, cost=7)
    now = NOON

    for _ in range(7_000):
        now = limiter.check("token", now).retry_at_ns
        assert limiter.take("token", now).allowed

    assert now == NOON + 1_000 * SECOND


def test_a_token_bucket_shows_its_capacity_and_the_whole_tokens_left():
    bucket = token_bucket(Rate.parse("2 per second"), capacity=40)
    bucket.take("shop", NOON, cost=32)

    shown = bucket.check("shop", NOON + 750_000_000)

    # 8 are left, 1.5 came back; all 40 are back 16 s after the start.
    assert (shown.limit, shown.remaining, shown.reset_ns) == (40, 9, NOON + 16 * SECOND)


def test_a_leaky_bucket_tells_its_level():
    bucket = leaky_bucket(Rate.parse("2 per second"), size=40)
    bucket.take("shop", NOON, cost=33)

    shown = bucket.check("shop", NOON + 500_000_000)

    assert (level(shown), shown.limit) == (32, 40)


def test_an_overflowing_call_is_told_when_enough_has_leaked():
    bucket = leaky_bucket(Rate.parse("2 per second"), size=40)
    bucket.take("shop", NOON, cost=40)

    decision = bucket.take("shop", NOON, cost=5)

    assert (decision.allowed, decision.retry_at_ns) == (False, NOON + 2_500_000_000)


def test_a_refund_comes_back_at_once_but_never_overfills():
    bucket = token_bucket(Rate.parse("1 per minute"), capacity=10)
    bucket.take("token", NOON, cost=4)

    bucket.give_back("token", NOON, amount=3)
    after_one = bucket.check("token", NOON).remaining
    bucket.give_back("token", NOON, amount=100)
    after_all = bucket.check("token", NOON).remaining

    assert (after_one, after_all) == (9, 10)


def test_a_charge_may_overdraw_and_is_paid_back_before_the_next_unit():
    bucket = token_bucket(Rate.parse("60 per minute"), capacity=10)
    bucket.charge("token", NOON, cost=15)

    decision = bucket.take("token", NOON)

    assert (decision.allowed, decision.remaining, decision.retry_at_ns) == (False, 0, NOON + 6 * SECOND)


def test_without_a_burst_the_amount_of_the_rate_is_the_burst():
    assert Gcra(Rate(amount=50, window_ns=MINUTE)).check("token", NOON).limit == 50


@pytest.mark.parametrize("burst", [0, -3])
def test_a_burst_of_nothing_is_refused(burst):
    with pytest.raises(LimitError) as error:
        Gcra(Rate.parse("1 per second"), burst=burst)

    assert str(error.value) == f"a burst of {burst} serves nobody: it must be 1 or more"
