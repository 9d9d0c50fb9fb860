"""What a scenario file becomes: exact integers of time, defaults, and one shape where a file may be brief."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from pydantic import ValidationError
from scenario_texts import EVERY_KEY, SMALL, USER_200_CALLS

from retrysim.scenarios import ALL, OTHERS, PointInTime, items_of, load, loads

SECOND = 1_000_000_000
NOON = 1_438_603_200 * SECOND  # 2015-08-03T12:00:00Z


def spec_of(lines):
    return loads("name: a\napp: p\nsubmit: [{task: t}]\n" + lines, file="f").spec


def expect_of(line):
    return spec_of("expect: {" + line + "}").expect


def test_the_scenario_of_the_documentation_says_what_it_says():
    spec = loads(USER_200_CALLS, file="f").spec

    assert spec.name == "a 200-call user loses nothing"
    assert spec.app == "scenarios.apps.twitter_user:app"
    assert spec.env == {"TWITTER_TOKEN": "fake"}
    assert spec.start_ns == NOON
    assert spec.celery == ("worker", "eager")
    assert spec.broker == ("memory",)
    assert (spec.workers.count, spec.workers.concurrency) == ((1,), (4,))
    assert spec.fakes == {"twitter": {"era": "2013-2015"}}
    assert [(one.task, one.times, one.kwargs) for one in spec.submit] == [("fetch_tweets", 200, {"user_id": 783214})]
    assert spec.expect.given == ("states", "retried", "elapsed", "story", "invariants")
    assert spec.expect.states == {"SUCCESS": 200}
    assert spec.expect.retried is not None
    assert (spec.expect.retried.tasks, spec.expect.retried.at_ns) == (20, "reset")
    assert spec.expect.story == {ALL: {"GET /1.1/statuses/user_timeline.json": "180x200 20x429 15m 20x200"}}
    assert spec.expect.elapsed_ns == 900 * SECOND


def test_a_small_scenario_gets_the_defaults():
    spec = loads(SMALL, file="f").spec

    assert spec.given == ("name", "app", "submit")
    assert spec.start_ns == 1_577_836_800 * SECOND  # 2020-01-01T00:00:00Z
    assert (spec.seed, spec.seeds) == (0, None)
    assert (spec.celery, spec.broker) == (("worker",), None)
    assert (spec.workers.count, spec.workers.concurrency) == ((1,), (1,))
    assert (spec.workers.queues, spec.workers.hostname) == (None, None)
    assert (spec.env, spec.fakes, spec.cost_ns, spec.tags) == ({}, {}, {}, ())
    assert spec.until_ns is None
    assert (spec.limits.events, spec.limits.virtual_time_ns, spec.limits.attempts_per_task) == (None, None, None)
    assert (spec.submit[0].times, spec.submit[0].args, spec.submit[0].kwargs) == (1, (), {})
    assert spec.expect.given == ()


def test_every_key_is_read():
    spec = loads(EVERY_KEY, file="f").spec

    assert set(spec.keys()) - set(spec.given) == {"seed", "redis", "run_for", "beat", "expect_always_eager"}
    assert set(spec.expect.keys()) - set(spec.expect.given) == {"attempts_at", "differs_from"}
    assert spec.description == "All of them.\n"
    assert spec.tags == ("slow", "twitter")
    assert spec.xfail == "celery#1234"
    assert spec.requires == ("celery>=5.4", "twitter")
    assert (spec.allow, spec.strict) == (("localhost:5432", "subprocess"), False)
    assert spec.redact == ("acme-[0-9]+",)
    assert spec.conf == {"task_acks_late": True, "worker_prefetch_multiplier": 1}
    assert spec.env == {"TOKEN": "1234"}
    assert spec.seeds == (0, 1, 2)
    assert spec.workers.queues == ("high", "low")
    assert spec.cost_ns == {"fetch_tweets": 2 * SECOND, OTHERS: SECOND // 100}
    assert spec.fakes == {"twitter": {}, "github": {"limits": {"core": "5 per hour"}}}
    assert spec.limits.events == 100_000
    assert spec.limits.virtual_time_ns == 86_400 * SECOND
    assert spec.limits.attempts_per_task == 50
    assert (spec.limits.task_steps, spec.limits.real_seconds) == (1000, 5)


def test_a_submission_has_its_times_in_nanoseconds():
    spec = loads(EVERY_KEY, file="f").spec
    fetch, add = spec.submit

    assert fetch.args == (1, 1.5, True, None, "12_000", ["x"])
    assert list(fetch.instants_ns(spec.start_ns)) == [NOON + 2 * SECOND, NOON + 62 * SECOND, NOON + 122 * SECOND]
    assert fetch.countdown_ns == 30 * SECOND
    assert fetch.expires == PointInTime(ns=NOON + 3600 * SECOND, is_instant=True)
    assert (fetch.queue, fetch.options) == ("high", {"priority": 3})
    assert list(add.instants_ns(spec.start_ns)) == [NOON + 5 * SECOND]
    assert add.eta_ns == NOON + 900 * SECOND
    assert add.expires == PointInTime(ns=3600 * SECOND, is_instant=False)


def test_a_moment_is_an_instant_or_counts_from_its_origin():
    instant = PointInTime(ns=7 * SECOND, is_instant=True)
    duration = PointInTime(ns=7 * SECOND, is_instant=False)

    assert instant.after(100 * SECOND) == 7 * SECOND
    assert duration.after(100 * SECOND) == 107 * SECOND


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("15 minutes", 900 * SECOND),
        ("2.5s", 5 * SECOND // 2),
        ("1h30m", 5400 * SECOND),
        ("900", 900 * SECOND),
        ("'900'", 900 * SECOND),
        ("0.1", SECOND // 10),
        ("0", 0),
        ("106751 days", 9_223_286_400 * SECOND),
    ],
)
def test_a_duration_is_exact(text, ns):
    assert spec_of(f"run_for: {text}").run_for_ns == ns


@pytest.mark.parametrize(
    "text",
    [
        "2015-08-03T12:00:00Z",
        "2015-08-03 12:00:00Z",
        "2015-08-03T12:00Z",
        "2015-08-03T12:00:00.000000Z",
        "2015-08-03T17:30:00+05:30",
        "'2015-08-03T08:00:00-04:00'",
    ],
)
def test_an_instant_is_the_same_in_every_zone(text):
    assert spec_of(f"start: {text}").start_ns == NOON


def test_an_instant_keeps_its_microseconds():
    assert spec_of("start: 2015-08-03T12:00:00.000001Z").start_ns == NOON + 1000


@pytest.mark.parametrize("line", ["until: 2015-08-03T14:00:00Z", "until: 2 hours", "run_for: 7200"])
def test_the_end_of_a_run_is_an_instant(line):
    spec = spec_of(f"start: 2015-08-03T12:00:00Z\n{line}\n")

    assert spec.until_ns == NOON + 7200 * SECOND


def test_one_cost_is_that_of_every_task():
    assert spec_of("cost: 200ms").cost_ns == {OTHERS: SECOND // 5}


def test_one_number_of_attempts_is_that_of_all_tasks():
    assert expect_of("attempts: 220").attempts == {ALL: 220}
    assert expect_of("attempts: {add: 3}").attempts == {"add": 3}


def test_timelines_are_written_in_the_shortest_way():
    expect = expect_of("timelines: {RETRY 900s  RETRY 0.5h SUCCESS: 2, FAILURE: 1}")

    assert expect.timelines == {"RETRY 15m RETRY 30m SUCCESS": 2, "FAILURE": 1}


def test_stories_are_kept_by_fake_and_endpoint():
    expect = expect_of("story: {GET /items: 200, crm: {GET /users: 2x200   1h 200}}")

    assert expect.story == {ALL: {"GET /items": "200"}, "crm": {"GET /users": "2x200 1h 200"}}


def test_calls_are_kept_by_fake_endpoint_and_status():
    expect = expect_of("calls: {POST /items: {}, crm: {GET /users: {200: 3, 429: 1, refused: 2}}}")

    assert expect.calls == {ALL: {"POST /items": {}}, "crm": {"GET /users": {"200": 3, "429": 1, "refused": 2}}}


@pytest.mark.parametrize(
    ("text", "at_ns"), [("reset", "reset"), ("[2s, 4s]", (2 * SECOND, 4 * SECOND)), ("15m", (900 * SECOND,))]
)
def test_retries_begin_at_the_reset_or_at_durations_from_the_start(text, at_ns):
    expect = expect_of(f"retried: {{tasks: 1, at: {text}}}")

    assert expect.retried is not None
    assert expect.retried.at_ns == at_ns


def test_attempts_of_one_task_begin_at_durations_from_the_start():
    assert expect_of("attempts_at: [0, 2s, 4s]").attempts_at_ns == (0, 2 * SECOND, 4 * SECOND)


def test_an_invariant_may_have_arguments():
    expect = expect_of("invariants: [every_task_settles, {quota_is_respected: {fake: twitter}}, {retries_end: }]")

    assert expect.invariants is not None
    assert [(one.name, one.arguments) for one in expect.invariants] == [
        ("every_task_settles", {}),
        ("quota_is_respected", {"fake": "twitter"}),
        ("retries_end", {}),
    ]


@pytest.mark.parametrize("text", ["ValueError", "twitter.api.TwitterHTTPError", "'ValueError: no such user: 5'"])
def test_an_exception_is_a_name_with_or_without_a_message(text):
    assert expect_of(f"exception: {text}").exception == text.strip("'")


def test_a_result_of_none_is_an_expectation_too():
    expect = expect_of("results: null")

    assert expect.given == ("results",)
    assert expect.results is None


def test_a_list_of_results_has_one_for_each_task():
    spec = loads("{name: a, app: p, submit: [{task: t, times: 2}], expect: {results: [7, [8]]}}", file="f").spec

    assert spec.expect.results == [7, [8]]


def test_nothing_may_be_submitted_no_times():
    spec = loads("{name: a, app: p, submit: [{task: t, times: 0}]}", file="f").spec

    assert list(spec.submit[0].instants_ns(spec.start_ns)) == []


def test_overrides_replace_single_expectations():
    spec = loads(EVERY_KEY, file="f").spec

    worker, eager = spec.expected_of("worker"), spec.expected_of("eager")

    assert worker.differs_from == "eager"
    assert (worker.attempts, worker.elapsed_ns) == ({ALL: 6}, 900 * SECOND)
    assert "differs_from" not in eager.given
    assert (eager.attempts, eager.elapsed_ns) == ({"fetch_tweets": 3, "add": 1}, 0)
    assert eager.states == worker.states == {"SUCCESS": 3, "FAILURE": 1}


def test_a_scenario_cannot_be_changed():
    spec = loads(SMALL, file="f").spec

    with pytest.raises(ValidationError, match="Instance is frozen"):
        spec.name = "another"


def test_a_file_is_loaded_by_its_path(tmp_path):
    file = tmp_path / "small.scenario.yaml"
    file.write_text(SMALL, encoding="utf-8")

    scenario = load(file)

    assert (scenario.name, scenario.file, scenario.line) == ("an add task", str(file), 1)


@pytest.mark.parametrize(
    ("requires", "skipped"),
    [
        ("celery>=5.4", None),
        ("[celery>=5.4, click]", None),
        ("celery<5", f"requires celery<5, and {version('celery')} is installed"),
        ("[click, no-such-package>=2]", "requires no-such-package>=2, which is not installed"),
    ],
)
def test_an_item_says_why_it_is_skipped(requires, skipped):
    (item,) = items_of(loads(f"name: a\napp: p\nsubmit: [{{task: t}}]\nrequires: {requires}\n"))

    assert item.skipped == skipped
