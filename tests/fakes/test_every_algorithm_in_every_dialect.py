"""The promise: for every algorithm in every dialect, who waits exactly as the wire said is served, and nobody before.

The instant is read from the bytes of the refusal by readers that know nothing of the package.
"""

import pytest
from asking import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fake_dialects import READERS, STEPS, call, until_limited

from retrysim.durations import MINUTE, SECOND
from retrysim.fakes import API
from retrysim.fakes.limit_spec import ALGORITHMS

#: Dialects that tell an instant for their first limit, which is the one that ``API`` speaks of.
DIALECTS = sorted(set(READERS) & {
    "anthropic", "discord", "github", "ietf_06", "ietf_07", "ietf_10", "openai", "plain", "reddit", "shopify", "slack",
    "spotify",
})  # fmt: skip
#: Those that one's own API can have; the others need an endpoint or a day of their own.
CHOICES = sorted(set(ALGORITHMS) & {
    "fixed window", "clock window", "sliding log", "sliding counter", "token bucket", "leaky bucket",
})  # fmt: skip
#: What is told there is when the next call is served, not when the whole quota is back.
TELLS_THE_NEXT = {"anthropic", "discord", "openai", "shopify", "slack", "spotify"}


def test_no_algorithm_of_ones_own_api_is_left_out():
    assert len(CHOICES) == 6
    assert len(DIALECTS) == 12


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("algorithm", CHOICES)
@settings(max_examples=12, deadline=None)
@given(
    calls=st.integers(1, 7),
    seconds=st.sampled_from([1, 7, 60]),
    start_ns=st.integers(0, 2 * MINUTE),
    pauses=st.lists(st.integers(0, 20 * SECOND), max_size=3),
)
def test_the_wait_on_the_wire_is_neither_short_nor_too_long(algorithm, dialect, calls, seconds, start_ns, pauses):
    fakes = [
        API("https://api.acme.io", limit=f"{calls} per {seconds} seconds", dialect=dialect, algorithm=algorithm)
        for _ in range(3)
    ]
    now = NOON + start_ns
    for pause in pauses:
        for fake in fakes:
            call(fake, dialect, now)
        now += pause
    refusals = [until_limited(fake, dialect, now)[1] for fake in fakes]
    opens_ns = fakes[0].calls[-1].retry_at_ns

    told_ns = READERS[dialect](refusals[0], now)

    assert told_ns >= opens_ns > now
    assert last_decision(fakes[0], dialect, told_ns) == "served"
    assert last_decision(fakes[1], dialect, opens_ns - 1) == "limited"
    if dialect in TELLS_THE_NEXT:
        step_ns = STEPS.get(dialect, SECOND)
        assert last_decision(fakes[2], dialect, max(now, told_ns - step_ns - 1)) == "limited"


def last_decision(fake, dialect, when):
    call(fake, dialect, when)
    return fake.calls[-1].decision
