"""A fixed window serves its amount until it ends, and opens when its first call or the clock says."""

import pytest

from retrysim.durations import MINUTE, SECOND
from retrysim.errors import LimitError
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.rate import Rate

NOON = 1_438_603_200 * SECOND
NOON_AND_A_BIT = NOON + 700_000_000
QUARTER = 15 * MINUTE


def taken(limiter, *instants, key="token"):
    return [limiter.take(key, at).allowed for at in instants]


def test_the_call_after_the_last_is_told_to_come_at_the_end_of_the_window():
    limiter = FixedWindow(Rate.parse("2 per 15 minutes"))

    decisions = [limiter.take("token", at) for at in (NOON, NOON + MINUTE, NOON + 2 * MINUTE)]

    end = NOON + QUARTER
    assert decisions == [
        Decision(allowed=True, limit=2, remaining=1, reset_ns=end, retry_at_ns=NOON),
        Decision(allowed=True, limit=2, remaining=0, reset_ns=end, retry_at_ns=NOON + MINUTE),
        Decision(allowed=False, limit=2, remaining=0, reset_ns=end, retry_at_ns=end),
    ]


def test_a_window_reopens_at_its_end_and_not_a_nanosecond_earlier():
    limiter = FixedWindow(Rate.parse("1 per 15 minutes"))

    served = taken(limiter, NOON, NOON + QUARTER - 1, NOON + QUARTER)

    assert served == [True, False, True]


def test_a_window_that_ended_stays_closed_until_the_next_call_opens_one():
    limiter = FixedWindow(Rate.parse("1 per 15 minutes"))
    limiter.take("token", NOON)

    decision = limiter.take("token", NOON + QUARTER + 7 * MINUTE)

    assert decision.reset_ns == NOON + QUARTER + 7 * MINUTE + QUARTER


def test_windows_on_the_clock_end_together_whenever_they_began():
    limiter = FixedWindow(Rate.parse("1 per 15 minutes"), opened_by="clock")

    first = limiter.take("early", NOON + MINUTE)
    second = limiter.take("late", NOON + 14 * MINUTE)

    assert (first.reset_ns, second.reset_ns) == (NOON + QUARTER, NOON + QUARTER)


def test_twice_the_amount_can_straddle_the_edge_of_a_window_on_the_clock():
    limiter = FixedWindow(Rate.parse("2 per 15 minutes"), opened_by="clock")
    edge = NOON + QUARTER

    served = taken(limiter, edge - 2, edge - 1, edge, edge + 1, edge + 2)

    assert served == [True, True, True, True, False]


def test_a_window_starts_at_the_whole_second_of_its_first_call():
    limiter = FixedWindow(Rate.parse("1 per 15 minutes"), start_resolution_ns=SECOND)

    decision = limiter.take("token", NOON_AND_A_BIT)

    assert decision.reset_ns == NOON + QUARTER
    assert taken(limiter, NOON + QUARTER - 1, NOON + QUARTER) == [False, True]


def test_an_untouched_key_shows_all_of_a_window_that_would_open_now():
    limiter = FixedWindow(Rate.parse("180 per 15 minutes"), start_resolution_ns=SECOND)

    shown = limiter.check("token", NOON_AND_A_BIT)

    assert shown == Decision(
        allowed=True, limit=180, remaining=180, reset_ns=NOON + QUARTER, retry_at_ns=NOON_AND_A_BIT
    )


def test_a_check_opens_no_window():
    limiter = FixedWindow(Rate.parse("180 per 15 minutes"))
    limiter.check("token", NOON)

    decision = limiter.take("token", NOON + MINUTE)

    assert (decision.remaining, decision.reset_ns) == (179, NOON + MINUTE + QUARTER)


def test_keys_are_counted_apart():
    limiter = FixedWindow(Rate.parse("1 per 15 minutes"))

    served = [limiter.take(key, NOON).allowed for key in ("ann", "bob", "ann")]

    assert served == [True, True, False]


def test_trap_a_window_that_reopens_late_refuses_who_comes_at_the_reset():
    limiter = FixedWindow(Rate.parse("1 per 15 minutes"), start_resolution_ns=SECOND, reopens_at="float")
    limiter.take("token", NOON_AND_A_BIT)

    at_reset = limiter.take("token", NOON + QUARTER)
    later = limiter.take("token", NOON_AND_A_BIT + QUARTER)

    assert at_reset == Decision(
        allowed=False,
        limit=1,
        remaining=0,
        reset_ns=NOON + QUARTER,
        retry_at_ns=NOON_AND_A_BIT + QUARTER,
    )
    assert later.allowed


def test_extra_calls_are_served_though_nothing_remains():
    limiter = FixedWindow(Rate.parse("2 per 15 minutes"), extra_calls=1)

    decisions = [limiter.take("token", NOON) for _ in range(4)]

    assert [(d.allowed, d.limit, d.remaining) for d in decisions] == [
        (True, 2, 1),
        (True, 2, 0),
        (True, 2, 0),
        (False, 2, 0),
    ]


def test_a_call_that_costs_more_than_the_whole_window_is_never_served():
    limiter = FixedWindow(Rate.parse("10 per minute"))

    decision = limiter.take("token", NOON, cost=11)

    assert (decision.allowed, decision.remaining, decision.retry_at_ns) == (False, 10, None)


def test_a_call_that_costs_nothing_opens_no_window():
    limiter = FixedWindow(Rate.parse("10 per minute"))
    limiter.take("token", NOON, cost=0)

    decision = limiter.take("token", NOON + 30 * SECOND)

    assert decision.reset_ns == NOON + 90 * SECOND


def test_units_that_come_back_can_be_taken_again_in_the_same_window():
    limiter = FixedWindow(Rate.parse("10 per minute"))
    limiter.take("token", NOON, cost=10)
    limiter.give_back("token", NOON + SECOND, amount=4)

    decision = limiter.take("token", NOON + 2 * SECOND, cost=3)

    assert (decision.allowed, decision.remaining, decision.reset_ns) == (True, 1, NOON + MINUTE)


def test_units_of_an_ended_window_come_back_to_nobody():
    limiter = FixedWindow(Rate.parse("10 per minute"))
    limiter.take("token", NOON, cost=10)
    limiter.give_back("token", NOON + MINUTE, amount=4)

    assert limiter.check("token", NOON + MINUTE).remaining == 10


def test_a_cost_known_afterwards_may_overdraw_the_window_but_not_the_next_one():
    limiter = FixedWindow(Rate.parse("10 per minute"))
    limiter.take("token", NOON, cost=8)
    limiter.charge("token", NOON + SECOND, cost=5)

    overdrawn = limiter.take("token", NOON + 2 * SECOND)
    next_window = limiter.take("token", NOON + MINUTE)

    assert (overdrawn.allowed, overdrawn.remaining) == (False, 0)
    assert (next_window.allowed, next_window.remaining) == (True, 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"start_resolution_ns": MINUTE + 1},
            "windows of 1m cannot start in steps of 1m0.000000001s: "
            "expected a start resolution from 1 ns up to the window",
        ),
        (
            {"start_resolution_ns": 0},
            "windows of 1m cannot start in steps of 0s: expected a start resolution from 1 ns up to the window",
        ),
        (
            {"extra_calls": -1},
            "extra_calls is -1: expected 0 or more; for fewer calls lower the rate",
        ),
    ],
)
def test_options_that_make_no_window_are_refused(options, message):
    with pytest.raises(LimitError) as error:
        FixedWindow(Rate.parse("10 per minute"), **options)

    assert str(error.value) == message
