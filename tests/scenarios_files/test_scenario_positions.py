"""Where things were written: for errors that are found while loading, and for those that are found at play time."""

from __future__ import annotations

import pytest
from scenario_texts import EVERY_KEY, USER_200_CALLS

from retrysim.errors import InputError, ScenarioError
from retrysim.scenarios import items_of, load, loads
from retrysim.scenarios.composer import compose


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("name",), "f:2:7"),
        (("app",), "f:3:6"),
        (("celery", 1), "f:6:18"),
        (("fakes", "twitter"), "f:10:12"),
        (("submit", 0), "f:12:5"),
        (("submit", 0, "task"), "f:12:12"),
        (("submit", 0, "kwargs", "user_id"), "f:12:56"),
        (("expect", "invariants", 1), "f:18:36"),
        ((), "f:2:1"),
    ],
)
def test_every_value_has_its_place(path, place):
    scenario = loads(USER_200_CALLS, file="f")

    assert scenario.where(*path) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("submit", 0, "queue"), "f:12:5"),  # not given: the submission
        (("broker", 0), "f:7:9"),  # a single value where a list could stand
        (("expect", "story", "*", "GET /1.1/statuses/user_timeline.json"), "f:16:49"),  # the fake is left out
        (("limits", "events"), "f:2:1"),  # the block is not given: the file
    ],
)
def test_what_was_not_written_is_placed_at_what_was_written_around_it(path, place):
    scenario = loads(USER_200_CALLS, file="f")

    assert scenario.where(*path) == place


def test_an_empty_value_is_placed_at_its_key():
    document = compose("name: a\nfakes:\n  twitter:\n\n\nsubmit: []\n", file="f")

    assert document.where(("fakes", "twitter")) == "f:3:3"


def test_an_error_of_play_time_names_the_place_and_the_key():
    scenario = loads(USER_200_CALLS, file="f")

    error = scenario.error(("submit", 0, "task"), "no task 'fetch_tweets'; did you mean 'fetch_tweet'?")

    assert isinstance(error, ScenarioError)
    assert isinstance(error, InputError)
    assert str(error) == "f:12:12: submit[0].task: no task 'fetch_tweets'; did you mean 'fetch_tweet'?"


def test_a_key_with_blanks_is_spelled_in_quotes():
    scenario = loads(USER_200_CALLS, file="f")

    error = scenario.error(("expect", "story", "GET /1.1/statuses/user_timeline.json"), "boom")

    assert str(error) == "f:16:49: expect.story['GET /1.1/statuses/user_timeline.json']: boom"


def test_an_error_of_the_whole_file_has_no_key():
    scenario = loads(USER_200_CALLS, file="f")

    error = scenario.error((), "boom")

    assert str(error) == "f:2:1: boom"


def test_an_expectation_is_placed_in_the_block_that_it_comes_from():
    scenario = loads(EVERY_KEY, file="f")
    worker = next(item for item in items_of(scenario) if item.celery == "worker")
    eager = next(item for item in items_of(scenario) if item.celery == "eager")

    messages = [str(item.expectation_error("elapsed", "boom")) for item in (worker, eager)]

    assert messages == ["f:60:12: expect.elapsed: boom", "f:76:12: expect_eager.elapsed: boom"]


def test_a_place_inside_an_expectation_is_found():
    scenario = loads(EVERY_KEY, file="f")
    worker = items_of(scenario)[0]

    error = worker.expectation_error("invariants", "no such invariant", 1, "quota_is_respected")

    assert str(error) == "f:70:57: expect.invariants[1].quota_is_respected: no such invariant"


def test_columns_count_characters_and_not_bytes(tmp_path):
    file = tmp_path / "a.scenario.yaml"
    file.write_text("\ufeff{name: äöü😀, app: p, submit: [{task: t}]}", encoding="utf-8")

    scenario = load(file)

    assert scenario.where("app") == f"{file}:1:19"
    assert scenario.line == 1
