"""A scenario has a size: what is larger is refused by counting, before any of it is built."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from retrysim.errors import ScenarioError
from retrysim.scenarios import items_of, load, loads

HEAD = "name: a\napp: p\n"
TASK = "submit: [{task: t}]\n"
BOMB = "[" + ", ".join(map(str, range(100))) + "]"

TOO_LARGE = {
    "tasks of one submission": (
        HEAD + "submit: [{task: t, times: 1000000000}]",
        "f:3:27: submit[0].times: expected a whole number of at most 1000000; got 1000000000",
    ),
    "tasks of several submissions": (
        HEAD + "submit:\n  - {task: t, times: 400000}\n  - {task: t, times: 600001}",
        "f:5:5: submit[1]: 1000001 tasks are submitted; expected at most 1000000 in one item",
    ),
    "a product of for_each": (
        HEAD + f"submit:\n  - task: t\n    for_each: {{a: {BOMB}, b: {BOMB}, c: {BOMB}, d: {BOMB}, e: {BOMB}}}",
        "f:4:5: submit[0]: 10000000000 tasks are submitted; expected at most 1000000 in one item",
    ),
    "a product of bursts": (
        HEAD + f"submit: [{{task: t, times: 100000, at: {BOMB}}}]",
        "f:3:10: submit[0]: 10000000 tasks are submitted; expected at most 1000000 in one item",
    ),
    "seeds of a range": (
        HEAD + TASK + "seeds: 0..99999",
        "f:4:8: seeds: expected a range that counts upwards, of at most 10000 seeds; got '0..99999'",
    ),
    "a product of lists": (
        HEAD + TASK + "seeds: 0..9999\ncelery: [worker, eager]",
        "f:1:1: the lists of this file make 20000 items; expected at most 10000",
    ),
    "workers": (
        HEAD + TASK + "workers: {count: 1000000000}",
        "f:4:18: workers.count: expected a whole number of at most 200; got 1000000000",
    ),
    "workers of several groups": (
        HEAD + TASK + "workers: [{name: a, count: 150}, {name: b, count: 51}]",
        "f:4:10: workers: up to 201 workers run at once; expected at most 200",
    ),
    "concurrency": (
        HEAD + TASK + "workers: {concurrency: 1000000000}",
        "f:4:24: workers.concurrency: expected a whole number of at most 10000; got 1000000000",
    ),
    "concurrency of all workers": (
        HEAD + TASK + "workers: {count: 100, concurrency: 101}",
        "f:4:10: workers: all workers run up to 10100 tasks at once; expected at most 10000",
    ),
    "an end beyond the calendar": (
        HEAD + "submit: [{task: t, times: 1000, every: 10000d}]",
        "f:3:10: submit[0]: the last of these is submitted after the year 2262; expected an instant before",
    ),
}


@pytest.mark.parametrize(("text", "message"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_refused_at_once(text, message):
    began = time.process_time()

    with pytest.raises(ScenarioError) as caught:
        loads(text, file="f")

    assert str(caught.value) == message
    assert time.process_time() - began < 5


def test_a_file_of_very_many_values_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr("retrysim.scenarios.composer.MAX_VALUES", 100)

    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + "submit:\n  - task: t\n    args: [" + "1," * 10_000 + "]", file="f")

    assert str(caught.value) == "f:5:198: submit: more values than a scenario may have; expected at most 100"


def test_a_file_of_ten_megabytes_is_not_read(tmp_path):
    file = tmp_path / "a.scenario.yaml"
    file.write_bytes(b"x" * 10_000_000)

    with pytest.raises(ScenarioError) as caught:
        load(file)

    assert str(caught.value) == f"{file}:1:1: is larger than a scenario may be; expected at most 1000000 bytes"


def test_a_million_tasks_are_listed_lazily():
    scenario = loads(HEAD + "submit: [{task: t, times: 500000, at: [1h, 0s]}]")

    calls = scenario.spec.submit[0].calls(0)

    assert [next(calls)[0] for _ in range(2)] == [0, 0]
    assert scenario.spec.submit[0].count == 1_000_000


def test_bursts_that_overlap_are_submitted_in_order_of_time():
    scenario = loads(HEAD + "submit: [{task: t, times: 3, every: 10s, at: [5s, 0s]}]")

    instants = [at_ns // 10**9 for at_ns, _ in scenario.spec.submit[0].calls(0)]

    assert instants == [0, 5, 10, 15, 20, 25]


def test_workers_of_ten_thousand_items_are_not_built():
    scenario = loads(HEAD + TASK + f"seeds: 0..99\nworkers: {{count: {list(range(1, 101))}}}")
    tracemalloc.start()

    items = items_of(scenario)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(items), len(items[-1].workers)) == (10_000, 100)
    assert peak < 20_000_000


TAGS = {
    "skip": "'skip' is a mark of pytest that skips the test; leave the file out, or say what it `requires:`",
    "xfail": "'xfail' is a mark of pytest that says that a test fails; use the key `xfail:`, with the reason",
    "timeout": "'timeout' is a mark of pytest that takes arguments; choose another word",
    "parametrize": "'parametrize' is a mark of pytest that takes arguments; choose another word",
    '"not"': "expected a word that `pytest -m` can select: letters, digits and _; got 'not'",
    "a-b": "expected a word that `pytest -m` can select: letters, digits and _; got 'a-b'",
    '"a b"': "expected a word that `pytest -m` can select: letters, digits and _; got 'a b'",
}


@pytest.mark.parametrize(("tag", "message"), TAGS.items())
def test_a_tag_that_would_do_something_else_than_select_is_refused(tag, message):
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + TASK + f"tags: [slow, {tag}]", file="f")

    assert str(caught.value) == f"f:4:14: tags[1]: {message}"


def test_a_tag_that_is_a_mark_without_arguments_is_taken():
    assert loads(HEAD + TASK + "tags: [django_db, slow]").spec.tags == ("django_db", "slow")


OPTIONS = {
    "priority: high": "options.priority: expected a whole number; got 'high'",
    "priority: 256": "options.priority: expected a whole number of at most 255; got 256",
    "headers: [1]": "options.headers: expected a mapping; got a list",
    "retries: -1": "options.retries: expected a whole number of 0 or more; got -1",
    "time_limit: 0": "options.time_limit: expected a number of seconds above 0; got 0",
    "task_id: {a: 1}": "options.task_id: expected text; got a mapping",
    "serializer: 5": "options.serializer: expected text; got 5; put it in quotes",
    "ignore_result: 1": "options.ignore_result: expected true or false; got 1",
}


@pytest.mark.parametrize(("option", "message"), OPTIONS.items())
def test_an_option_that_celery_cannot_use_is_refused_where_it_stands(option, message):
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD + f"submit:\n  - task: t\n    options:\n      {option}", file="f")

    assert str(caught.value) == f"f:6:{len(option.split()[0]) + 8}: submit[0].{message}"


def test_options_of_a_task_class_of_ones_own_are_taken():
    submission = loads(HEAD + "submit: [{task: t, options: {once: {keys: [a]}, priority: 3}}]").spec.submit[0]

    assert submission.options == {"once": {"keys": ["a"]}, "priority": 3}
