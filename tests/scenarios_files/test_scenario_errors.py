"""What a person reads when a scenario file is wrong: each mistake with the whole message."""

from __future__ import annotations

import pytest

from retrysim.errors import ScenarioError
from retrysim.scenarios import load, loads

HEAD = "name: a\napp: p\n"
TASK = "submit: [{task: t}]\n"


def message_of(text):
    with pytest.raises(ScenarioError) as caught:
        loads(text, file="f")
    return str(caught.value)


KEYS = {
    "a misspelt key": (
        "nam: a\napp: p\n" + TASK,
        "f:1:1: nam: unknown key; did you mean 'name'?",
    ),
    "a misspelt key far down": (
        HEAD + TASK + "expect:\n  state: {SUCCESS: 1}\n",
        "f:5:3: expect.state: unknown key; did you mean 'states'?",
    ),
    "a key that is like no other": (
        HEAD + "submit: [{task: t, zzz: 1}]",
        "f:3:20: submit[0].zzz: unknown key; expected one of task, times, args, kwargs, for_each, at, every, rate, countdown, eta, "
        "expires, queue, options",
    ),
    "the model's own name of a key": (
        HEAD + TASK + "expect: {elapsed_ns: 5}",
        "f:4:10: expect.elapsed_ns: unknown key; did you mean 'elapsed'?",
    ),
    "no name": ("app: p\n" + TASK, "f:1:1: name: missing; expected what the scenario shows, as a sentence"),
    "no app": (
        "name: a\n" + TASK,
        "f:1:1: app: missing; expected the Celery app as `celery -A` takes it, such as proj.celery:app",
    ),
    "no submit": (
        HEAD,
        "f:1:1: submit: missing; expected a list of the tasks that are submitted, such as "
        "[{task: fetch_tweets, times: 200}]",
    ),
    "no task": (HEAD + "submit:\n  - times: 3\n", "f:4:5: submit[0].task: missing; expected the name of a task"),
    "no number of retried tasks": (
        HEAD + TASK + "expect:\n  retried: {at: reset}",
        "f:5:12: expect.retried.tasks: missing; expected how many tasks were retried",
    ),
}

VALUES = {
    "a number for a text": ("name: 200\napp: p\n" + TASK, "f:1:7: name: expected text; got 200; put it in quotes"),
    "a boolean for a text": (
        HEAD + TASK + "env: {DEBUG: true}",
        "f:4:14: env.DEBUG: expected text; got true; put it in quotes",
    ),
    "nothing for a text": ("name:\napp: p\n" + TASK, "f:1:1: name: expected text; got nothing"),
    "an empty text": ("name: ''\napp: p\n" + TASK, "f:1:7: name: expected text that is not empty; got ''"),
    "a mapping for a text": (HEAD + TASK + "xfail: {a: 1}", "f:4:8: xfail: expected text; got a mapping"),
    "no requirement": (
        HEAD + TASK + "requires: [pytest, celery 5.7]",
        "f:4:20: requires[1]: expected a package and its versions, such as celery>=5.7; got 'celery 5.7'",
    ),
    "a list for a mapping": (HEAD + TASK + "fakes: [twitter]", "f:4:8: fakes: expected a mapping; got a list"),
    "a text for a mapping": (HEAD + TASK + "workers: 4", "f:4:10: workers: expected a mapping; got 4"),
    "a mapping for a list": (
        HEAD + "submit: {task: t}",
        "f:3:9: submit: expected a list; got a mapping",
    ),
    "a text for a submission": (HEAD + "submit: [t]", "f:3:10: submit[0]: expected a mapping; got 't'"),
    "beat for ever": (
        HEAD + "beat: true",
        "f:3:7: beat: beat never stops sending tasks; set the end of the run: add run_for or until",
    ),
    "beat without a worker": (
        HEAD + "beat: true\ncelery: eager\nrun_for: 1h",
        "f:3:7: beat: beat sends to a queue, and needs a worker; keep celery: worker",
    ),
    "no submission": (HEAD + "submit: []", "f:3:9: submit: expected at least one value; got an empty list"),
    "an empty axis": (HEAD + TASK + "celery: []", "f:4:9: celery: expected at least one value; got an empty list"),
    "a negative count": (
        HEAD + "submit: [{task: t, times: -1}]",
        "f:3:27: submit[0].times: expected a whole number of 0 or more; got -1",
    ),
    "a count with underscores": (
        HEAD + "submit: [{task: t, times: 12_000}]",
        "f:3:27: submit[0].times: expected a whole number; got '12_000'",
    ),
    "a count in quotes": (
        HEAD + "submit: [{task: t, times: '3'}]",
        "f:3:27: submit[0].times: expected a whole number; got '3'; take away the quotes",
    ),
    "a fraction of a count": (HEAD + TASK + "seed: 1.5", "f:4:7: seed: expected a whole number; got 1.5"),
    "a boolean for a count": (HEAD + TASK + "seed: true", "f:4:7: seed: expected a whole number; got true"),
    "no worker": (
        HEAD + TASK + "workers: {count: 0}",
        "f:4:18: workers.count: expected a whole number above 0; got 0",
    ),
    "one of several that is wrong": (
        HEAD + TASK + "workers: {concurrency: [1, x, 4]}",
        "f:4:28: workers.concurrency[1]: expected a whole number; got 'x'",
    ),
    "a misspelt choice": (
        HEAD + TASK + "celery: [worker, eagr]",
        "f:4:18: celery[1]: expected worker, eager or always_eager; got 'eagr'; did you mean 'eager'?",
    ),
    "a choice that is none": (
        HEAD + TASK + "broker: sqs",
        "f:4:9: broker: expected memory, redis, rabbitmq, rabbitmq:3.10, rabbitmq:3.13, rabbitmq:4.0 or rabbitmq:4.3; got 'sqs'",
    ),
    "a bad name of a variable": (
        HEAD + TASK + "env: {A B: x}",
        "f:4:7: env['A B']: expected the name of an environment variable, such as TWITTER_TOKEN; got 'A B'",
    ),
    "a NUL in a variable": (
        HEAD + TASK + 'env: {A: "x\\0"}',
        "f:4:10: env.A: expected text without NUL characters, which no environment variable can hold; got 'x\\x00'",
    ),
    "a long text": (
        HEAD + TASK + "broker: " + "x" * 70,
        "f:4:9: broker: expected memory, redis, rabbitmq, rabbitmq:3.10, rabbitmq:3.13, rabbitmq:4.0 or rabbitmq:4.3; got '"
        + "x" * 60
        + "...'",
    ),
}

TIMES = {
    "a clock time for a duration": (
        HEAD + TASK + "run_for: 12:15:00",
        "f:4:10: run_for: expected a duration, such as 15 minutes, 2.5s, or seconds; got '12:15:00'",
    ),
    "an unknown unit": (
        HEAD + TASK + "expect: {elapsed: 15 minuts}",
        "f:4:19: expect.elapsed: expected a duration, such as 15 minutes, 2.5s, or seconds; got '15 minuts'",
    ),
    "a negative duration": (
        HEAD + "submit: [{task: t, every: -5}]",
        "f:3:27: submit[0].every: expected a duration, such as 15 minutes, 2.5s, or seconds; got -5",
    ),
    "a duration of more than 292 years": (
        HEAD + TASK + "run_for: 20000 weeks",
        "f:4:10: run_for: expected a duration, such as 15 minutes, 2.5s, or seconds; got '20000 weeks'",
    ),
    "a boolean for a duration": (
        HEAD + TASK + "cost: true",
        "f:4:7: cost: expected a duration, such as 15 minutes, 2.5s, or seconds; got true",
    ),
    "a task's cost that is not a valid duration": (
        HEAD + TASK + "cost: {t: fast}",
        "f:4:11: cost.t: expected a duration, such as 15 minutes, 2.5s, or seconds; got 'fast'",
    ),
    "an instant without its zone": (
        HEAD + TASK + "start: 2015-08-03T12:00:00",
        "f:4:8: start: expected an instant with its zone, such as 2015-08-03T12:15:00Z; got '2015-08-03T12:00:00'",
    ),
    "a day for an instant": (
        HEAD + TASK + "start: 2015-08-03",
        "f:4:8: start: expected an instant with its zone, such as 2015-08-03T12:15:00Z; got '2015-08-03'",
    ),
    "a day that does not exist": (
        HEAD + TASK + "start: 2015-02-30T12:00:00Z",
        "f:4:8: start: expected an instant with its zone, such as 2015-08-03T12:15:00Z; got '2015-02-30T12:00:00Z'",
    ),
    "an instant before the epoch": (
        HEAD + TASK + "start: 1969-12-31T23:59:59Z",
        "f:4:8: start: expected an instant with its zone, such as 2015-08-03T12:15:00Z; got '1969-12-31T23:59:59Z'",
    ),
    "neither duration nor instant": (
        HEAD + "submit: [{task: t, at: noon}]",
        "f:3:24: submit[0].at: expected a duration, such as 15 minutes, 2.5s, or seconds, or an instant with its "
        "zone, such as 2015-08-03T12:15:00Z; got 'noon'",
    ),
    "a range without an end": (
        HEAD + TASK + "seeds: 0..",
        "f:4:8: seeds: expected a list of seeds, or a range with both its ends, such as 0..19; got '0..'",
    ),
    "a range that counts downwards": (
        HEAD + TASK + "seeds: 9..0",
        "f:4:8: seeds: expected a range that counts upwards, of at most 10000 seeds; got '9..0'",
    ),
    "a range without measure": (
        HEAD + TASK + "seeds: 0..999999999",
        "f:4:8: seeds: expected a range that counts upwards, of at most 10000 seeds; got '0..999999999'",
    ),
}

EXPECTATIONS = {
    "a misspelt state": (
        HEAD + TASK + "expect: {states: {SUCESS: 1}}",
        "f:4:19: expect.states.SUCESS: expected PENDING, RECEIVED, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, "
        "REJECTED or IGNORED; got 'SUCESS'; did you mean 'SUCCESS'?",
    ),
    "a state in small letters": (
        HEAD + TASK + "expect: {states: {failure: 1}}",
        "f:4:19: expect.states.failure: expected PENDING, RECEIVED, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, "
        "REJECTED or IGNORED; got 'failure'; did you mean 'FAILURE'?",
    ),
    "a timeline with a word of its own": (
        HEAD + TASK + "expect: {timelines: {RETYR 2s SUCCESS: 1}}",
        "f:4:22: expect.timelines['RETYR 2s SUCCESS']: expected Celery's states and the durations between them, such "
        "as RETRY 15m SUCCESS; got 'RETYR 2s SUCCESS'; did you mean 'RETRY'?",
    ),
    "two spellings of one timeline": (
        HEAD + TASK + "expect: {timelines: {RETRY 900s: 1, RETRY 15m: 2}}",
        "f:4:21: expect.timelines: two of the timelines are the same; add up their counts",
    ),
    "retries at no known moment": (
        HEAD + TASK + "expect: {retried: {tasks: 1, at: rest}}",
        "f:4:34: expect.retried.at: expected reset, or the durations from the start at which retried attempts begin, "
        "such as [2s, 4s]; got 'rest'",
    ),
    "a story of no answers": (
        HEAD + TASK + "expect: {story: {GET /x: [200]}}",
        "f:4:26: expect.story['GET /x']: expected the answers in their order and the durations between them, such as "
        "180x200 20x429 15m 20x200; got a list",
    ),
    "an endpoint without a method": (
        HEAD + TASK + "expect: {story: {/x: 200}}",
        "f:4:18: expect.story['/x']: expected an endpoint: a method and a path, such as GET /items; got '/x'",
    ),
    "a fake without endpoints": (
        HEAD + TASK + "expect: {story: {twitter: 200}}",
        "f:4:27: expect.story.twitter: expected a mapping; got 200",
    ),
    "a status that is none": (
        HEAD + TASK + "expect: {calls: {GET /x: {ok: 3}}}",
        "f:4:27: expect.calls['GET /x'].ok: expected a status such as 429, or how the connection broke (refused, "
        "reset, silence, truncated); got 'ok'",
    ),
    "a misspelt break": (
        HEAD + TASK + "expect: {calls: {crm: {GET /x: {refuse: 3}}}}",
        "f:4:33: expect.calls.crm['GET /x'].refuse: expected a status such as 429, or how the connection broke "
        "(refused, reset, silence, truncated); got 'refuse'; did you mean 'refused'?",
    ),
    "a negative number of calls": (
        HEAD + TASK + "expect: {calls: {GET /x: {429: -3}}}",
        "f:4:32: expect.calls['GET /x'].429: expected a whole number of 0 or more, or a range with both its ends, such as 180..200; got -3",
    ),
    "an exception that is no name": (
        HEAD + TASK + "expect: {exception: it broke}",
        "f:4:21: expect.exception: expected the name of an exception, or its name and message, such as "
        "\"ValueError: no such user\"; got 'it broke'",
    ),
    "two invariants in one": (
        HEAD + TASK + "expect: {invariants: [{a: {}, b: {}}]}",
        "f:4:23: expect.invariants[0]: expected an invariant's name, or one name with arguments, such as "
        "{quota_is_respected: {fake: twitter}}; got a mapping",
    ),
    "an invariant that is a sentence": (
        HEAD + TASK + "expect: {invariants: [every task settles]}",
        "f:4:23: expect.invariants[0]: expected an invariant's name, or one name with arguments, such as "
        "{quota_is_respected: {fake: twitter}}; got 'every task settles'",
    ),
    "arguments that are no mapping": (
        HEAD + TASK + "expect: {invariants: [{a: 5}]}",
        "f:4:23: expect.invariants[0]: expected a mapping; got 5",
    ),
    "a number of attempts that is none": (
        HEAD + TASK + "expect: {attempts: many}",
        "f:4:20: expect.attempts: expected a whole number of 0 or more, or a range with both its ends, such as 180..200; got 'many'",
    ),
}

RULES = {
    "seed and seeds": (HEAD + TASK + "seed: 1\nseeds: [1, 2]", "f:5:8: seeds: seed is given too; keep one of them"),
    "until and run_for": (
        HEAD + TASK + "until: 1h\nrun_for: 2h",
        "f:5:10: run_for: until is given too; keep one of them",
    ),
    "countdown and eta": (
        HEAD + "submit: [{task: t, countdown: 5, eta: 2020-01-01T00:15:00Z}]",
        "f:3:39: submit[0].eta: countdown is given too; keep one of them",
    ),
    "an option that is a key": (
        HEAD + "submit: [{task: t, options: {queue: q}}]",
        "f:3:37: submit[0].options.queue: queue is a key of the submission itself; move it out of options",
    ),
    "isolated without processes": (
        HEAD + TASK + "workers: {pool: gevent, isolated: true}",
        "f:4:35: workers.isolated: the pool gevent has no pool processes; only prefork has them",
    ),
    "one value twice": (
        HEAD + TASK + "workers: {concurrency: [4, 1, 4]}",
        "f:4:31: workers.concurrency[2]: 4 is in the list already; each value is an item of its own",
    ),
    "one name for two workers": (
        HEAD + TASK + "workers: {count: 2, hostname: w1@host}",
        "f:4:31: workers.hostname: several workers cannot share a node name; leave hostname out, or keep count: 1",
    ),
    "a submission before the start": (
        HEAD + "submit: [{task: t, at: 2019-12-31T23:59:59Z}]",
        "f:3:24: submit[0].at: is before the start; a task is submitted at the start or later",
    ),
    "an end before the start": (
        HEAD + TASK + "until: 2019-12-31T23:59:59Z",
        "f:4:8: until: is before the start; a run ends at the start or later",
    ),
    "expectations of no item": (
        HEAD + TASK + "expect_eager: {attempts: 1}",
        "f:4:15: expect_eager: no item is eager; add eager to celery, or remove this",
    ),
    "moments of many tasks": (
        HEAD + "submit: [{task: t, times: 3}]\nexpect: {attempts_at: [0s, 2s]}",
        "f:4:23: expect.attempts_at: is for a scenario that submits one task; this one submits 3",
    ),
    "too few results": (
        HEAD + "submit: [{task: t, times: 3}]\nexpect: {results: [1, 2]}",
        "f:4:19: expect.results: expected one result for each submitted task, 3 in all; got 2",
    ),
    "a difference from itself": (
        HEAD + TASK + "celery: [worker, eager]\nexpect: {differs_from: eager}",
        "f:5:24: expect.differs_from: an item that is eager cannot differ from itself; move this to expect_worker or "
        "expect_always_eager",
    ),
}


@pytest.mark.parametrize(("text", "message"), KEYS.values(), ids=list(KEYS))
def test_a_wrong_key_is_named_with_what_came_close(text, message):
    assert message_of(text) == message


@pytest.mark.parametrize(("text", "message"), VALUES.values(), ids=list(VALUES))
def test_a_value_of_the_wrong_kind_is_told_what_was_expected(text, message):
    assert message_of(text) == message


@pytest.mark.parametrize(("text", "message"), TIMES.values(), ids=list(TIMES))
def test_a_time_or_a_seed_that_is_none_is_told_how_one_is_written(text, message):
    assert message_of(text) == message


@pytest.mark.parametrize(("text", "message"), EXPECTATIONS.values(), ids=list(EXPECTATIONS))
def test_an_expectation_that_can_never_be_judged_is_refused(text, message):
    assert message_of(text) == message


@pytest.mark.parametrize(("text", "message"), RULES.values(), ids=list(RULES))
def test_keys_that_contradict_each_other_are_told_what_to_do(text, message):
    assert message_of(text) == message


def test_several_mistakes_are_told_in_the_order_of_the_file():
    text = "name: 5\napp: p\nsubmit: [{task: t, times: -1}]\nsead: 4\nseed: x\nfaks: {}\n"

    assert message_of(text).splitlines() == [
        "f:1:7: name: expected text; got 5; put it in quotes",
        "f:3:27: submit[0].times: expected a whole number of 0 or more; got -1",
        "f:4:1: sead: unknown key; did you mean 'seed'?",
        "f:5:7: seed: expected a whole number; got 'x'",
        "f:6:1: faks: unknown key; did you mean 'fakes'?",
    ]


def test_of_many_mistakes_ten_are_told():
    text = HEAD + "submit:\n" + "  - {task: t, times: x}\n" * 12

    lines = message_of(text).splitlines()

    assert (len(lines), lines[-1]) == (11, "and 2 more")


def test_a_misspelt_key_is_told_before_the_key_that_is_missing_for_it():
    text = "name: a\nsubmit: [{tsk: t}]\napp: p\n"

    assert message_of(text) == "f:2:11: submit[0].tsk: unknown key; did you mean 'task'?"


def test_a_wrong_value_is_told_before_a_missing_key():
    text = "name: 5\nsubmit: [{times: 1}]\n"

    assert message_of(text).splitlines() == [
        "f:1:7: name: expected text; got 5; put it in quotes",
        "f:1:1: app: missing; expected the Celery app as `celery -A` takes it, such as proj.celery:app",
        "f:2:10: submit[0].task: missing; expected the name of a task",
    ]


def test_several_broken_rules_are_told_in_the_order_of_the_file():
    text = HEAD + "until: 1h\nrun_for: 2h\n" + TASK + "seed: 1\nseeds: [1]\n"

    assert message_of(text).splitlines() == [
        "f:4:10: run_for: until is given too; keep one of them",
        "f:7:8: seeds: seed is given too; keep one of them",
    ]


def test_a_missing_file_is_told_with_the_one_that_came_close(tmp_path):
    (tmp_path / "user_200_calls.scenario.yaml").touch()
    missing = tmp_path / "user_20_calls.scenario.yaml"

    with pytest.raises(ScenarioError) as caught:
        load(missing)

    assert str(caught.value) == f"{missing}:1:1: no such file; did you mean 'user_200_calls.scenario.yaml'?"


def test_a_missing_file_in_a_missing_folder_is_an_error_too(tmp_path):
    missing = tmp_path / "no" / "a.scenario.yaml"

    with pytest.raises(ScenarioError) as caught:
        load(missing)

    assert str(caught.value) == f"{missing}:1:1: no such file"


def test_a_link_to_nothing_is_named_as_one(tmp_path):
    link = tmp_path / "a.scenario.yaml"
    link.symlink_to("moved.scenario.yaml")

    with pytest.raises(ScenarioError) as caught:
        load(link)

    assert str(caught.value) == f"{link}:1:1: is a link to moved.scenario.yaml, which does not exist"


def test_a_folder_is_told_to_name_its_files(tmp_path):
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path)

    message = f"{tmp_path}:1:1: is a folder; name its files, such as {tmp_path}/*.scenario.yaml"
    assert str(caught.value) == message


def test_a_path_through_a_file_cannot_be_read(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "a.scenario.yaml"

    with pytest.raises(ScenarioError) as caught:
        load(path)

    assert str(caught.value) == f"{path}:1:1: cannot be read: Not a directory"


def test_a_file_that_is_not_utf_8_is_told_the_byte_and_its_place(tmp_path):
    file = tmp_path / "a.scenario.yaml"
    file.write_bytes("name: ä\napp: caf".encode() + b"\xe9\n")

    with pytest.raises(ScenarioError) as caught:
        load(file)

    assert str(caught.value) == f"{file}:2:9: not UTF-8: byte 0xe9; save the file as UTF-8"
