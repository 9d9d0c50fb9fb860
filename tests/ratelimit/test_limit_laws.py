"""The promise of every limit, for any sequence of calls: exact decisions, and an exact instant to come back.

Each limiter is played against the oracle of its definition, twice: in a world of a few nanoseconds, where "the first
instant" is found by trying all of them, and in one of seconds to days, where the instant before it is tried.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limit_cases import CALENDAR_CASES, CASES
from limit_player import STEP, STEPS, Player

from retrysim.durations import DAY, MINUTE, SECOND
from retrysim.ratelimit.rate import Rate

#: 2015-08-03, and nights in which clocks change: New York loses an hour, gains one; Sao Paulo has no midnight.
STARTS = (1_438_603_200, 1_710_050_400, 1_730_606_400, 1_541_296_800)
SAME_EACH_TIME = settings(max_examples=60, deadline=None, derandomize=True, database=None)
LOOK = st.tuples(st.sampled_from("ab"), st.integers(0, 3 * DAY), st.integers(0, 8))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@SAME_EACH_TIME
@given(
    rate=st.builds(Rate, amount=st.integers(1, 6), window_ns=st.integers(1, 13)),
    start=st.integers(1_000, 1_040),
    steps=STEPS,
)
def test_every_decision_and_every_instant_follows_from_the_definition(case, rate, start, steps):
    player = Player(case, rate, start, try_every_instant=True)

    for step in steps:
        player.play(step)


@pytest.mark.parametrize("case", [*CASES.values(), *CALENDAR_CASES.values()], ids=[*CASES, *CALENDAR_CASES])
@SAME_EACH_TIME
@given(
    rate=st.builds(
        Rate,
        amount=st.integers(1, 12),
        window_ns=st.sampled_from([SECOND, MINUTE, 15 * MINUTE, DAY, 999_999_999_989]),
    ),
    start=st.builds(lambda second, ns: second * SECOND + ns, st.sampled_from(STARTS), st.integers(0, SECOND)),
    steps=STEPS,
)
def test_who_comes_at_retry_at_is_served_and_one_nanosecond_earlier_refused(case, rate, start, steps):
    player = Player(case, rate, start, try_every_instant=False)

    for step in steps:
        player.play(step)


@pytest.mark.parametrize("case", [*CASES.values(), *CALENDAR_CASES.values()], ids=[*CASES, *CALENDAR_CASES])
@settings(SAME_EACH_TIME, max_examples=30)
@given(steps=st.lists(st.tuples(STEP, LOOK), max_size=25))
def test_looking_changes_nothing_not_even_a_look_ahead(case, steps):
    rate = Rate(amount=5, window_ns=15 * MINUTE)
    watched, alone = case.make(rate), case.make(rate)
    now = STARTS[0] * SECOND

    for step, (key, ahead_ns, cost) in steps:
        now += step.wait * rate.window_ns // 100 if isinstance(step.wait, int) else 1
        watched.check(key, now + ahead_ns, cost)
        seen = getattr(watched, step.act)(step.key, now, step.units)
        unseen = getattr(alone, step.act)(step.key, now, step.units)

        assert seen == unseen
