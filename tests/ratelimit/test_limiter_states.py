"""A limit remembers the keys that matter, and not every key that ever called."""

import pytest

from retrysim.durations import DAY, MINUTE, SECOND
from retrysim.ratelimit.calendar_quota import CalendarQuota
from retrysim.ratelimit.concurrency import ConcurrencyCap
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.gcra import Gcra
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_counter import SlidingCounter
from retrysim.ratelimit.sliding_log import SlidingLog
from retrysim.ratelimit.states import States

NOON = 1_438_603_200 * SECOND
RATE = Rate.parse("2 per minute")


def is_past(until, now):
    return until <= now


def test_a_key_that_was_not_put_has_no_state():
    states = States(is_past)
    states.put("ann", 10, 5)

    assert (states.find("ann"), states.find("bob")) == (10, None)


def test_stale_keys_are_dropped_once_there_are_many():
    states = States(is_past)

    for key in range(10_000):
        states.put(key, key + 10, key)

    assert len(states) <= 1024
    assert states.find(9_999) == 10_009


def test_keys_that_matter_are_kept_however_many_they_are():
    states = States(is_past)

    for key in range(10_000):
        states.put(key, 10_000, 0)

    assert len(states) == 10_000


def test_looking_for_stale_keys_costs_less_than_two_questions_a_key():
    questions = []

    def is_stale(state, now):
        questions.append(state)
        return False

    states = States(is_stale)
    for key in range(10_000):
        states.put(key, key, 0)

    # Asked when there are 1025, 2051, 4103 and 8207 keys.
    assert len(questions) == 15_386


@pytest.mark.parametrize(
    ("limiter", "states"),
    [
        (FixedWindow(RATE), "_windows"),
        (SlidingLog(RATE), "_logs"),
        (SlidingCounter(RATE), "_buckets"),
        (Gcra(RATE), "_full_at"),
    ],
    ids=["fixed-window", "sliding-log", "sliding-counter", "gcra"],
)
def test_clients_that_call_once_and_go_are_forgotten(limiter, states):
    for client in range(5_000):
        limiter.take(client, NOON + client * SECOND)

    assert len(getattr(limiter, states)) <= 1024


def test_accounts_of_past_days_are_forgotten():
    limiter = CalendarQuota(10)

    for account in range(5_000):
        limiter.take(account, NOON + account * DAY)

    assert len(limiter._used) <= 1024


def test_accounts_with_nothing_in_flight_are_forgotten():
    limiter = ConcurrencyCap(1)

    for account in range(5_000):
        limiter.take(account, NOON)
        limiter.give_back(account, NOON)

    assert len(limiter._in_flight) <= 1024


def test_forgetting_never_gives_a_client_more_than_its_limit():
    limiter = FixedWindow(Rate.parse("1 per minute"))
    limiter.take("early", NOON)

    for client in range(5_000):
        limiter.take(client, NOON + 59 * SECOND)

    assert not limiter.take("early", NOON + MINUTE - 1).allowed
