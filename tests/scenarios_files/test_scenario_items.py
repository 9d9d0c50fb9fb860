"""The items of a scenario: one per value of each list, with an id that people can read."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from scenario_texts import EVERY_KEY, SMALL, USER_200_CALLS

from retrysim.errors import ScenarioError
from retrysim.scenarios import items_of, loads


def ids_of(lines, **more):
    scenario = loads("name: a\napp: p\nsubmit: [{task: t}]\n" + lines, file="f")
    return [item.id for item in items_of(scenario, **more)]


@pytest.mark.parametrize(
    ("lines", "ids"),
    [
        ("", ["worker"]),
        ("celery: eager", ["eager"]),
        ("celery: [worker, eager, always_eager]", ["worker", "eager", "always_eager"]),
        ("broker: redis", ["worker"]),
        ("broker: [memory, redis]", ["worker-memory", "worker-redis"]),
        ("workers: {concurrency: 4}", ["worker"]),
        ("workers: {concurrency: [1, 4]}", ["worker-1", "worker-4"]),
        ("workers: {count: [1, 2], concurrency: 4}", ["worker-1x4", "worker-2x4"]),
        ("workers: {count: [1, 2], concurrency: [1, 4]}", ["worker-1x1", "worker-1x4", "worker-2x1", "worker-2x4"]),
        ("workers: {pool: gevent}", ["worker"]),
        ("workers: {pool: [prefork, gevent], concurrency: 4}", ["worker-prefork", "worker-gevent"]),
        ("workers: [{name: fast, concurrency: 4}, {name: slow, count: 2}]", ["worker"]),
        ("workers: [{name: fast, concurrency: [1, 4]}, {name: slow}]", ["worker-fast-1", "worker-fast-4"]),
        ("seed: 7", ["worker"]),
        ("seeds: [3, 7]", ["worker-seed3", "worker-seed7"]),
        ("seeds: 8..10", ["worker-seed8", "worker-seed9", "worker-seed10"]),
        ("seeds: 5..5", ["worker"]),
    ],
)
def test_an_id_names_how_celery_runs_and_what_the_file_lists_several_of(lines, ids):
    assert ids_of(lines) == ids


def test_without_a_worker_its_broker_and_shape_make_no_items():
    ids = ids_of("celery: [worker, eager]\nbroker: [memory, redis]\nworkers: {count: [1, 2]}\nseeds: [1, 2]")

    assert ids == [
        "worker-memory-1x1-seed1",
        "worker-memory-1x1-seed2",
        "worker-memory-2x1-seed1",
        "worker-memory-2x1-seed2",
        "worker-redis-1x1-seed1",
        "worker-redis-1x1-seed2",
        "worker-redis-2x1-seed1",
        "worker-redis-2x1-seed2",
        "eager-seed1",
        "eager-seed2",
    ]


@pytest.mark.parametrize("lines", ["", "seed: 7", "seeds: 0..19"])
def test_a_seed_from_outside_takes_the_place_of_those_in_the_file(lines):
    assert ids_of(lines, seed=3) == ["worker-seed3"]


def test_an_item_holds_one_value_of_each_list():
    items = items_of(loads(EVERY_KEY, file="f"))

    last_worker, first_eager = items[11], items[12]

    assert len(items) == 15
    assert last_worker.id == "worker-redis-4-seed2"
    assert (last_worker.celery, last_worker.broker, last_worker.seed) == ("worker", "redis", 2)
    assert [(worker.name, worker.concurrency) for worker in last_worker.workers] == [("worker-1", 4), ("worker-2", 4)]
    assert (first_eager.id, first_eager.celery, first_eager.seed) == ("eager-seed0", "eager", 0)


def test_ids_are_unique():
    ids = [item.id for item in items_of(loads(EVERY_KEY, file="f"))]

    assert len(set(ids)) == 15


def test_an_item_expects_what_its_overrides_say():
    items = items_of(loads(EVERY_KEY, file="f"))

    assert [(item.celery, item.expect.elapsed_ns) for item in (items[0], items[-1])] == [
        ("worker", 900_000_000_000),
        ("eager", 0),
    ]


def test_an_item_knows_its_file_and_line():
    items = items_of(loads(USER_200_CALLS, file="user.scenario.yaml"))

    assert [(item.id, item.file, item.line) for item in items] == [
        ("worker", "user.scenario.yaml", 2),
        ("eager", "user.scenario.yaml", 2),
    ]


def test_the_broker_of_the_apps_own_url_is_none():
    [item] = items_of(loads(SMALL, file="f"))

    assert item.broker is None


def test_an_item_cannot_be_changed():
    [item] = items_of(loads(SMALL, file="f"))

    with pytest.raises(FrozenInstanceError):
        item.seed = 5


def test_versions_of_rabbitmq_are_items():
    ids = ids_of('broker: {rabbitmq: {version: [3.13, "4.0", 4.3]}}')

    assert ids == ["worker-rabbitmq:3.13", "worker-rabbitmq:4.0", "worker-rabbitmq:4.3"]
    assert ids_of("broker: {rabbitmq: {version: 4.0}}") == ["worker"]


def test_options_of_rabbitmq_are_those_of_every_item():
    given = "broker: {rabbitmq: {version: [3.13, 4.3], consumer_timeout: 2h, permit_transient_queues: false}}"

    assert ids_of(given) == [
        "worker-rabbitmq:3.13?consumer_timeout=2h&permit_transient_queues=false",
        "worker-rabbitmq:4.3?consumer_timeout=2h&permit_transient_queues=false",
    ]


@pytest.mark.parametrize(
    ("broker", "message"),
    [
        ("{rabbitmq: {consumer_timeout: soon}}", "'soon' is not a valid duration: expected seconds, "),
        (
            "{rabbitmq: {permit_transient_queues: maybe}}",
            "rabbitmq:4.3?permit_transient_queues=maybe: permit_transient_queues is true or false, not 'maybe'",
        ),
        (
            "rabbitmq:4.0?timeout=1h",
            "rabbitmq:4.0?timeout=1h: RabbitMQ has no option 'timeout'; "
            "it has consumer_timeout and permit_transient_queues",
        ),
        ("{rabbitmq: {version: 5.0, consumer_timeout: 1h}}", "expected memory, redis, rabbitmq, rabbitmq:3.10, "),
    ],
)
def test_a_wrong_option_of_rabbitmq_is_named(broker, message):
    with pytest.raises(ScenarioError) as caught:
        ids_of(f"broker: {broker}")

    assert f": broker: {message}" in str(caught.value)
