"""Several limits serve a call together or not at all, and one of them is shown."""

import pytest

from retrysim.durations import DAY, MINUTE, SECOND
from retrysim.errors import LimitError
from retrysim.ratelimit.all_of import AllOf, Part
from retrysim.ratelimit.concurrency import ConcurrencyCap
from retrysim.ratelimit.count_refused import CountRefused
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.rate import Rate

NOON = 1_438_603_200 * SECOND


def window(text):
    return FixedWindow(Rate.parse(text))


def test_a_call_that_one_limit_refuses_is_taken_from_none():
    minute, day = window("1 per minute"), window("100 per day")
    limiter = AllOf(Part(limiter=minute), Part(limiter=day))

    served = [limiter.take("token", NOON).allowed for _ in range(3)]

    assert served == [True, False, False]
    assert day.check("token", NOON).remaining == 99


def test_the_limit_with_the_fewest_units_left_is_shown():
    limiter = AllOf(Part(limiter=window("10 per minute")), Part(limiter=window("12 per day")))

    shown = [limiter.take("token", NOON + n * MINUTE).limit for n in range(4)]

    # The minute begins anew with each call and has 9 left; the day has 11, 10, 9 and then 8.
    assert shown == [10, 10, 10, 12]


def test_the_limit_that_refuses_longest_is_shown():
    limiter = AllOf(Part(limiter=window("1 per minute")), Part(limiter=window("1 per day")))
    limiter.take("token", NOON)

    decision = limiter.take("token", NOON)

    assert decision == Decision(allowed=False, limit=1, remaining=0, reset_ns=NOON + DAY, retry_at_ns=NOON + DAY)


def test_a_hidden_limit_refuses_though_something_remains():
    limiter = AllOf(Part(limiter=window("5000 per hour")), Part(limiter=window("1 per minute"), hidden=True))
    limiter.take("token", NOON)

    decision = limiter.take("token", NOON + SECOND)

    assert decision == Decision(
        allowed=False,
        limit=5000,
        remaining=4999,
        reset_ns=NOON + 60 * MINUTE,
        retry_at_ns=NOON + MINUTE,
    )


def test_requests_and_tokens_are_counted_side_by_side():
    requests, tokens = window("2 per minute"), window("1000 per minute")
    limiter = AllOf(Part(limiter=requests, counts="calls"), Part(limiter=tokens))

    limiter.take("key", NOON, cost=700)
    limiter.give_back("key", NOON, amount=300)

    assert requests.check("key", NOON).remaining == 1
    assert tokens.check("key", NOON).remaining == 600


def test_a_charge_counts_against_every_part():
    requests, tokens = window("2 per minute"), window("1000 per minute")
    limiter = AllOf(Part(limiter=requests, counts="calls"), Part(limiter=tokens))

    limiter.charge("key", NOON, cost=700)

    assert (requests.check("key", NOON).remaining, tokens.check("key", NOON).remaining) == (1, 300)


def test_a_refusal_without_an_instant_leaves_the_whole_without_one():
    limiter = AllOf(Part(limiter=ConcurrencyCap(1)), Part(limiter=window("1 per minute")))
    limiter.take("account", NOON)

    decision = limiter.take("account", NOON + SECOND)

    assert (decision.allowed, decision.retry_at_ns) == (False, None)


def test_only_the_limit_that_refuses_counts_the_refused_call():
    strict, patient = CountRefused(window("10 per minute")), CountRefused(window("100 per day"))
    limiter = AllOf(Part(limiter=strict), Part(limiter=patient))
    limiter.take("key", NOON, cost=7)

    refused = limiter.take("key", NOON, cost=5)

    assert not refused.allowed
    assert strict.check("key", NOON).remaining == 0
    assert patient.check("key", NOON).remaining == 93


@pytest.mark.parametrize("parts", [[], [Part(limiter=window("1 per minute"), hidden=True)]])
def test_limits_of_which_none_can_be_shown_are_refused(parts):
    with pytest.raises(LimitError) as error:
        AllOf(*parts)

    assert str(error.value) == (
        "there is no limit to show: expected at least one part that is not hidden; "
        "an API that shows none has a dialect without headers"
    )
