"""``Simulation(redis=True)``: clients of redis-py that an app makes for itself are answered by the simulated Redis."""

import gc
import sys
import weakref
from datetime import timedelta

import pytest
import redis
from celery import Celery, chord
from redis_apps import START

from retrysim import Simulation
from retrysim.scenarios import items_of, load
from retrysim.simulation.player import play

CLIENT = redis.Redis.from_url("redis://locks.example:6379/7")

APP = """
import time

import redis
from celery import Celery

app = Celery("locks", broker="{broker}")
client = redis.Redis.from_url("redis://locks.example:6379/2")


@app.task(bind=True)
def one_at_a_time(self):
    lock = client.lock("one", timeout=300)
    if not lock.acquire(blocking=False):
        raise self.retry(countdown=60)
    time.sleep(10)
    lock.release()
"""

SCENARIO = """
name: a lock that is taken is tried again after a minute
app: {module}
redis: true
workers: {{concurrency: 2}}
submit: [{{task: one_at_a_time, times: 2}}]
expect: {{states: {{SUCCESS: 2}}, elapsed: 70s}}
"""


@pytest.mark.parametrize("broker", ["redis://broker.example", "amqp://broker.example"])
def test_a_scenario_with_a_lock(tmp_path, monkeypatch, broker):
    module = f"locks_{broker[:4]}"
    (tmp_path / f"{module}.py").write_text(APP.format(broker=broker))
    (tmp_path / "lock.scenario.yaml").write_text(SCENARIO.format(module=module))
    monkeypatch.syspath_prepend(tmp_path)

    (item,) = items_of(load(tmp_path / "lock.scenario.yaml"))
    outcome = play(item)
    sys.modules.pop(module)

    assert outcome.passed, outcome.text()


def test_every_process_has_connections_of_its_own():
    app = Celery("clients", broker="redis://nobody.example", backend="redis://nobody.example", set_as_current=False)

    @app.task(name="which", shared=False)
    def which():
        return CLIENT.client_id()

    with Simulation(redis=True, start=START) as sim:
        mine = CLIENT.client_id()
        sim.start_worker(app)
        sim.start_worker(app)
        first, second = which.delay(), which.delay()
        sim.run()

        ids = [mine, first.get(), second.get(), CLIENT.client_id()]
        assert ids[0] == ids[3]
        assert len(set(ids)) == 3


def test_a_partition_of_a_worker_silences_the_clients_of_its_tasks_and_not_the_tests():
    app = Celery("clients", broker="redis://nobody.example", set_as_current=False)

    @app.task(name="count", shared=False)
    def count():
        CLIENT.incr("count")

    with Simulation(redis=True, start=START) as sim:
        worker = sim.start_worker(app)
        count.delay()
        sim.run()
        sim.broker.partition(worker)
        count.delay()
        sim.run_for("10s")
        assert CLIENT.get("count") == b"1"

        sim.broker.repair(worker)
        sim.run()
        assert CLIENT.get("count") == b"2"


def test_a_time_to_live_passes_in_virtual_time():
    with Simulation(redis=True, start=START) as sim:
        CLIENT.set("key", "value", ex=timedelta(hours=1))
        sim.run_for("59m")
        assert CLIENT.ttl("key") == 60
        sim.run_for("61s")
        assert CLIENT.get("key") is None


def test_nothing_is_left_patched():
    def patched():
        pools = redis.ConnectionPool, redis.BlockingConnectionPool
        return [getattr(pool, name) for pool in pools for name in ("make_connection", "get_connection", "release")]

    before = patched()
    with Simulation(redis=True, start=START):
        assert patched() != before

    assert patched() == before


def test_a_flushed_database_takes_the_brokers_queue_with_it_if_it_is_the_same():
    app = Celery("clients", broker="redis://nobody.example/0", set_as_current=False)

    @app.task(name="nothing", shared=False)
    def nothing():
        pass

    with Simulation(redis=True, broker="redis", start=START) as sim:
        worker = sim.start_worker(app)
        worker.stop()
        task_id = nothing.delay().id
        assert sim.broker.waiting() == {"celery": [task_id]}

        redis.Redis("cache.example", db=0).flushdb()
        assert not any(sim.broker.waiting().values())


def test_a_client_that_nobody_has_any_more_is_gone_with_its_connections():
    with Simulation(redis=True):
        client = redis.Redis(host="cache.acme")
        client.set("a", 1)
        pool, socket = (weakref.ref(one) for one in (client.connection_pool, _socket_of(client)))
        del client
        gc.collect()

        assert (pool(), socket()) == (None, None)


def _socket_of(client):
    [connection] = client.connection_pool._available_connections
    return connection._sock


@pytest.mark.parametrize(("broker", "served"), [("rabbitmq", True), ("rabbitmq", False), ("memory", True)])
@pytest.mark.parametrize("isolated", [False, True])
def test_redis_results_are_in_a_simulated_redis_whatever_the_broker(broker, served, isolated):
    """Celery's own Redis backend counts the members of a chord, also those whose result is ignored."""
    app = Celery("clients", broker="amqp://nobody.example", backend="redis://nobody.example/3", set_as_current=False)

    @app.task(name="forget", shared=False, ignore_result=True)
    def forget():
        return 1

    @app.task(name="add", shared=False, bind=True)
    def add(self):
        self.add_to_chord(forget.si())
        return 2

    @app.task(name="total", shared=False)
    def total(numbers):
        return sum(numbers)

    with Simulation(redis=served, broker=broker, isolated=isolated, start=START) as sim:
        sim.start_worker(app, concurrency=2)
        result = chord([forget.si(), add.si()])(total.s())
        sim.run()

        assert result.get() == 4
        assert not served or redis.Redis("cache.example", db=3).exists(f"celery-task-meta-{result.id}")
        assert not [note for note in sim.notes if "results" in note]


def test_on_memory_a_note_says_that_something_stands_in_for_redis_results():
    app = Celery("clients", broker="amqp://nobody.example", backend="redis://nobody.example/3", set_as_current=False)

    with Simulation(broker="memory", start=START) as sim:
        sim.start_worker(app)

        assert sim.notes[-1:] == [
            "clients: its results are kept in the memory of the simulation, and not in 'redis': "
            "keep them in a simulated one with Simulation(redis=True), in a scenario redis: true"
        ]
