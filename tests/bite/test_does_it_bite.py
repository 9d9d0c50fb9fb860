"""The headline with small defects put in: each must turn it red, with a first line that names the cause and a task."""

import re
import time

import celery
import pytest

from retrysim.scenarios import items_of, loads
from retrysim.simulation.player import play

pytestmark = pytest.mark.slow

HEADLINE = """
name: a 200-call user loses nothing
app: tests.bite.defective:app
start: {start}
celery: {celery}
{cost}
workers: {{concurrency: 4}}
fakes:
  twitter: {fake}
submit:
  - {{task: {task}, times: 200, kwargs: {{user_id: 783214}}}}
expect:
  states: {{SUCCESS: 200}}
  retried: {{tasks: 20, at: reset}}
  {exact}
  invariants: [every_task_settles, retries_start_at_reset, quota_is_respected]
"""
EXACT = """story: {GET /1.1/statuses/user_timeline.json: 180x200 20x429 15m 20x200}
  elapsed: 15 minutes"""


def outcome_of(task, celery="worker", fake="{era: 2013-2015}", start="2015-08-03T12:00:00Z", cost="", exact=EXACT):
    text = HEADLINE.format(task=task, celery=celery, fake=fake, start=start, cost=cost, exact=exact)
    [item] = items_of(loads(text, file="bite.scenario.yaml"))
    return play(item)


def first_line(outcome):
    return outcome.text().splitlines()[0]


@pytest.mark.parametrize("celery", ["worker", "eager"])
def test_the_right_task_passes(celery):
    assert outcome_of("right", celery).findings == []


def test_the_right_task_passes_when_tasks_take_time():
    assert outcome_of("right", cost="cost: 50ms", exact="").findings == []


#: A retry that cannot be published is rejected; from Celery 5.7 on that is a FAILURE, before it was nothing at all.
REJECTED = "REJECTED FAILURE" if celery.VERSION >= (5, 7) else "REJECTED"
DEFECTS = {
    "countdown_of_899_s": (
        "retries_start_at_reset: countdown_of_899_s[ID] started its retry 1s before the reset "
        "(at 12:14:59, reset 12:15:00, GET /1.1/statuses/user_timeline.json)"
    ),
    "eta_one_second_early": (
        "retries_start_at_reset: eta_one_second_early[ID] started its retry 1s before the reset "
        "(at 12:14:59, reset 12:15:00, GET /1.1/statuses/user_timeline.json)"
    ),
    "swallowed": (
        "retries_start_at_reset: swallowed[ID] was refused (429, GET /1.1/statuses/user_timeline.json) at 12:00:00 "
        "and never tried again: SUCCESS"
    ),
    "no_retries": (
        "retries_start_at_reset: no_retries[ID] was refused (429, GET /1.1/statuses/user_timeline.json) at 12:00:00 "
        "and never tried again: FAILURE"
    ),
    "countdown_as_text": (
        "retries_start_at_reset: countdown_as_text[ID] was refused (429, GET /1.1/statuses/user_timeline.json) "
        f"at 12:00:00 and never tried again: {REJECTED}"
    ),
}


@pytest.mark.parametrize("task", DEFECTS)
def test_a_defect_in_the_task_is_named(task):
    outcome = outcome_of(task)

    assert _without_id(first_line(outcome)) == DEFECTS[task]


def test_a_naive_fromtimestamp_in_new_york_is_named(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        outcome = outcome_of("naive_fromtimestamp")
    finally:
        monkeypatch.undo()
        time.tzset()

    assert _without_id(first_line(outcome)) == (
        "retries_start_at_reset: naive_fromtimestamp[ID] started its retry 15m before the reset "
        "(at 12:00:00, reset 12:15:00, GET /1.1/statuses/user_timeline.json)"
    )


def test_the_reset_of_the_wrong_family_is_named_when_tasks_take_time():
    # In one instant it is right by accident: Twitter shows "now + 15 minutes" for an untouched endpoint.
    assert outcome_of("wrong_family").passed

    outcome = outcome_of("wrong_family", cost="cost: 50ms", exact="")

    assert _without_id(first_line(outcome)) == (
        "retries_start_at_reset: wrong_family[ID] started its retry 2s after the reset "
        "(at 12:15:02, reset 12:15:00, GET /1.1/statuses/user_timeline.json)"
    )


@pytest.mark.parametrize(
    ("fake", "start", "line"),
    [
        (
            "{extra_calls: 1}",
            "2015-08-03T12:00:00Z",
            "quota_is_respected: right[ID] got call 181 of /statuses/user_timeline served in a window of 180 "
            "(token-1, until 12:15:00)",
        ),
        (
            "{limits: {statuses/user_timeline: 180 per 899 seconds}}",
            "2015-08-03T12:00:00Z",
            'story: GET /1.1/statuses/user_timeline.json: expected "180x200 20x429 15m 20x200", '
            'got "180x200 20x429 14m59s 20x200"; for one right[ID]: RETRY 14m59s SUCCESS',
        ),
        (
            "{reopening: float}",
            "2015-08-03T12:00:00.5Z",
            "retries_start_at_reset: right[ID] started its retry 500ms before the reset "
            "(at 12:15:00, reset 12:15:00.5, GET /1.1/statuses/user_timeline.json)",
        ),
    ],
    ids=["181 calls", "a window of 899 s", "float re-opening"],
)
def test_a_defect_in_the_fake_is_named(fake, start, line):
    outcome = outcome_of("right", fake=fake, start=start)

    assert _without_id(first_line(outcome)) == line


def _without_id(line):
    return re.sub(r"\[[0-9a-f]{8}\]", "[ID]", line)
