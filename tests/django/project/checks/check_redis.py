"""``Simulation(redis=True)``: the project's own locks and caches are in the simulated Redis."""

from datetime import timedelta

import pytest
import redis
from django.core.cache import cache
from orders.tasks import CLIENT, only_one, only_one_waits, recall, remember
from shop.celery import app

from retrysim import Simulation
from retrysim.errors import UnservedHost

UNSERVED = """\
a task connects to a real Redis at locks.acme:6379
  at tasks.py:104: if not lock.acquire(blocking=False):
  Let the simulated Redis answer: Simulation(redis=True), `redis: true` in a scenario, or let it be real: sim.allow("locks.acme:6379")"""

served = pytest.mark.retrysim(redis=True)


@served
def test_who_finds_the_lock_taken_tries_again(shop):
    only_one.delay(seconds=20)
    second = only_one.delay(seconds=20)
    shop.run()

    assert shop.states == {"SUCCESS": 2}
    assert shop.task(second.id).timeline == "RETRY 50s SUCCESS"
    assert shop.elapsed == timedelta(seconds=50)


@served
def test_who_waits_for_the_lock_polls_in_virtual_time(shop):
    only_one_waits.delay(seconds=20)
    only_one_waits.delay(seconds=20)
    shop.run()

    assert shop.states == {"SUCCESS": 2}
    assert timedelta(seconds=40) <= shop.elapsed < timedelta(seconds=41)


@served
def test_a_lock_of_a_worker_that_was_killed_ends_with_its_time_to_live(shop):
    only_one.delay(seconds=20)
    shop.run_for("10s")
    shop.workers[0].kill()
    shop.run_for("49s")
    assert CLIENT.exists("only-one")

    shop.run_for("2s")
    assert not CLIENT.exists("only-one")


@served
def test_djangos_cache_expires_in_virtual_time(shop):
    remember.delay("key", "value", seconds=300)
    shop.run_for("299s")
    assert cache.get("key") == "value"
    assert recall.delay("key").get() == "value"

    shop.run_for("2s")
    assert cache.get("key") is None
    assert recall.delay("key").get() is None


@served
def test_it_is_the_server_of_the_broker(sim):
    sim.start_worker("shop")
    CLIENT.set("mine", 1)

    assert sim.broker.client_of(3).get("mine") == b"1"
    assert sim.broker.client.exists("_kombu.binding.celery")


@pytest.mark.retrysim(redis=True, broker="memory")
def test_it_is_there_when_the_broker_is_another(shop):
    only_one.delay(seconds=20)
    only_one.delay(seconds=20)
    shop.run()

    assert shop.elapsed == timedelta(seconds=50)


def test_each_simulation_begins_with_an_empty_server_and_the_same_client():
    for _ in range(2):
        with Simulation(redis=True) as sim:
            sim.start_worker(app)
            assert CLIENT.incr("runs") == 1


def test_a_client_that_is_connected_gets_its_connections_back():
    pool = CLIENT.connection_pool
    real = pool.make_connection()
    pool._available_connections.append(real)
    before = dict(vars(pool))
    try:
        with Simulation(redis=True):
            CLIENT.set("key", "value")
            assert real not in pool._available_connections

        assert vars(pool) == before
        assert pool._available_connections == [real]
    finally:
        pool.reset()


def test_a_pool_that_blocks_is_served_too():
    pool = redis.BlockingConnectionPool.from_url("redis://blocking.acme:6379/0", max_connections=1)
    client = redis.Redis(connection_pool=pool)
    with Simulation(redis=True):
        client.set("key", "value", ex=60)
        assert client.ttl("key") == 60


def test_without_it_a_task_that_calls_redis_is_told_what_there_is(shop):
    result = only_one.delay(seconds=20)

    with pytest.raises(UnservedHost) as told:
        result.get()
    assert str(told.value) == UNSERVED
