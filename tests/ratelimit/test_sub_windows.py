"""A limit enforced in sub-windows refuses a burst that its minute would allow."""

import pytest

from retrysim.durations import MINUTE, SECOND
from retrysim.errors import LimitError
from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sub_windows import enforced_in

NOON = 1_438_603_200 * SECOND


def test_a_burst_is_refused_though_the_minute_has_room():
    limiter = enforced_in(SECOND, Rate.parse("60 per minute"))
    limiter.take("key", NOON)

    decision = limiter.take("key", NOON + SECOND // 2)

    assert decision == Decision(
        allowed=False,
        limit=60,
        remaining=59,
        reset_ns=NOON + MINUTE,
        retry_at_ns=NOON + SECOND,
    )


def test_evenly_spread_calls_get_the_whole_minute_and_no_more():
    limiter = enforced_in(SECOND, Rate.parse("60 per minute"))

    served = [limiter.take("key", NOON + second * SECOND).allowed for second in range(60)]
    one_more = limiter.take("key", NOON + 59 * SECOND + SECOND // 2)

    assert served == [True] * 60
    assert one_more.retry_at_ns == NOON + MINUTE


def test_sub_windows_on_the_clock_end_with_its_seconds():
    limiter = enforced_in(SECOND, Rate.parse("60 per minute"), opened_by="clock")
    limiter.take("key", NOON + 900_000_000)

    assert limiter.take("key", NOON + 950_000_000).retry_at_ns == NOON + SECOND


@pytest.mark.parametrize(
    ("sub_window_ns", "rate", "message"),
    [
        (
            SECOND,
            "100 per minute",
            "100 per 1m cannot be enforced in windows of 1s: "
            "expected windows that divide both evenly, such as 2 per 1.2s",
        ),
        (
            7 * SECOND,
            "60 per minute",
            "60 per 1m cannot be enforced in windows of 7s: "
            "expected windows that divide both evenly, such as 10 per 10s",
        ),
        (
            2 * MINUTE,
            "60 per minute",
            "60 per 1m cannot be enforced in windows of 2m: "
            "expected windows that divide both evenly, such as 60 per 1m",
        ),
        (
            0,
            "60 per minute",
            "60 per 1m cannot be enforced in windows of 0s: expected windows that divide both evenly, such as 1 per 1s",
        ),
    ],
)
def test_a_division_that_does_not_come_out_even_is_refused(sub_window_ns, rate, message):
    with pytest.raises(LimitError) as error:
        enforced_in(sub_window_ns, Rate.parse(rate))

    assert str(error.value) == message
