"""The loop of a worker on Redis: Celery's ``asynloop`` on kombu's ``Hub``, with the pool that belongs to it."""

import kombu.asynchronous.hub
import pytest
from celery.worker import loops
from celery.worker.components import _Hub as CelerysHub
from kombu.asynchronous import Hub as KombuHub
from redis_apps import START, make_app, seconds_of

from retrysim import Simulation


@pytest.fixture(scope="module")
def app():
    return make_app()


@pytest.mark.parametrize(("broker", "loop"), [("redis", loops.asynloop), ("memory", loops.synloop)])
def test_the_worker_runs_the_loop_that_a_real_prefork_worker_would(app, broker, loop):
    with Simulation(broker=broker) as sim:
        worker = sim.start_worker(app)

        assert worker.controller.consumer.loop is loop
        assert worker.controller.use_eventloop is (broker == "redis")


def test_the_loop_itself_is_kombus_own(sim, app):
    hub = sim.start_worker(app).controller.hub

    assert isinstance(hub, KombuHub)
    assert type(hub).create_loop is KombuHub.create_loop
    assert type(hub).fire_timers is KombuHub.fire_timers
    assert type(hub).call_soon is KombuHub.call_soon


def test_each_worker_has_a_hub_of_its_own_and_the_test_has_none(sim, app):
    workers = [sim.start_worker(app), sim.start_worker(app)]
    hubs = []
    for worker in workers:
        with worker.inside():
            hubs.append(kombu.asynchronous.hub.get_event_loop())

    assert hubs == [worker.controller.hub for worker in workers]
    assert hubs[0] is not hubs[1]
    assert kombu.asynchronous.hub.get_event_loop() is None


def test_a_reserved_task_that_expired_is_revoked_when_a_process_becomes_free(sim, app):
    sim.start_worker(app)
    app.tasks["nap"].delay(10)
    result = app.tasks["add"].apply_async((1, 1), expires=5)
    sim.run()

    assert sim.task(result.id).state == "REVOKED"
    assert seconds_of(sim, "task-revoked") == [10.0]


def test_a_reserved_task_that_was_revoked_is_not_begun(sim, app):
    sim.start_worker(app)
    app.tasks["nap"].delay(10)
    result = app.tasks["add"].delay(1, 1)
    sim.run_for(1)
    app.control.revoke(result.id)
    sim.run()

    assert sim.task(result.id).state == "REVOKED"
    assert seconds_of(sim, "task-started") == [0.0]


def test_a_full_pool_keeps_the_hub_from_nothing(sim, app):
    sim.start_worker(app)
    for _ in range(3):
        app.tasks["nap"].delay(10)
    sim.run_for(1)

    assert list(app.control.inspect(timeout=1).ping()) == ["celery@worker-1"]


def test_prefetch_limits_what_a_busy_worker_takes(sim, app):
    worker = sim.start_worker(app, concurrency=2, prefetch_multiplier=1)
    for _ in range(10):
        app.tasks["late_nap"].delay(10)
    sim.run_for(1)

    assert len(sim.broker.waiting()["celery"]) == 8
    assert len(worker.running) == 2


def test_a_worker_that_became_full_while_it_asked_for_more_takes_nothing(sim, app):
    sim.start_worker(app, prefetch_multiplier=1)
    app.tasks["late_nap"].apply_async((1000,), countdown=10)  # raises the prefetch count by one, until it begins
    sim.run_for(20)
    waits = app.tasks["add"].delay(1, 1)
    sim.run_for(5)

    assert sim.broker.waiting() == {"celery": [waits.id]}


def test_early_acks_are_done_before_the_body_begins(sim, app):
    unacked = []
    client = sim.broker.client_of(3)

    @app.task(name="looks", shared=False)
    def looks():
        unacked.append(client.zcard("unacked_index"))

    worker = sim.start_worker(app)
    app.tasks["looks"].delay()
    sim.run()

    assert unacked == [0]
    assert worker.running == []


def test_everything_is_given_back(app):
    import billiard.pool
    from celery.worker import components
    from kombu.transport import TRANSPORT_ALIASES
    from kombu.transport import redis as kombu_redis

    def state():
        return [
            kombu_redis.poll,
            components._Hub,
            components._Timer,
            billiard.pool.Lock,
            TRANSPORT_ALIASES["redis"],
            type(app.clock.mutex),
            type(app.backend),
            kombu.asynchronous.hub.get_event_loop(),
            app.conf.broker_url,
            app.conf.broker_transport_options,
        ]

    before = state()
    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)
        app.tasks["nap"].delay(1000)
        sim.run_for(1)
        assert state() != before

    assert state() == before
    assert components._Hub is CelerysHub
