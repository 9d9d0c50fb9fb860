"""A concurrency cap refuses what is too much at once, and knows no instant to come again."""

import pytest

from retrysim.durations import DAY, SECOND
from retrysim.errors import LimitError
from retrysim.ratelimit.concurrency import ConcurrencyCap
from retrysim.ratelimit.limiter import Decision

NOON = 1_438_603_200 * SECOND


def test_the_request_above_the_cap_is_refused_until_a_response_ends():
    limiter = ConcurrencyCap(2)
    limiter.take("account", NOON)
    limiter.take("account", NOON)

    refused = limiter.take("account", NOON + SECOND)
    limiter.give_back("account", NOON + 2 * SECOND)
    served = limiter.take("account", NOON + 2 * SECOND)

    assert refused == Decision(allowed=False, limit=2, remaining=0, reset_ns=NOON + SECOND, retry_at_ns=None)
    assert (served.allowed, served.remaining) == (True, 0)


def test_time_alone_releases_nothing():
    limiter = ConcurrencyCap(1)
    limiter.take("account", NOON)

    assert not limiter.check("account", NOON + 365 * DAY).allowed


def test_more_releases_than_requests_do_not_raise_the_cap():
    limiter = ConcurrencyCap(1)
    limiter.take("account", NOON)

    limiter.give_back("account", NOON, amount=5)

    assert limiter.check("account", NOON).remaining == 1


def test_a_cap_of_nothing_is_refused():
    with pytest.raises(LimitError) as error:
        ConcurrencyCap(0)

    assert str(error.value) == "a cap of 0 serves nobody: it must be 1 or more"
