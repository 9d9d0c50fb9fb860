"""The face of a simulation holds on Redis, too: retries, results, time, and what is said when something is wrong."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from celery.exceptions import TimeoutError as ResultTimeout
from redis_apps import START, make_app, seconds_of

from retrysim import Deadlock, Simulation, Unsupported


@pytest.fixture(scope="module")
def app():
    app = make_app()

    @app.task(name="stuck", shared=False)
    def stuck():
        threading.Event().wait()

    return app


def test_a_retry_starts_at_exactly_its_countdown(sim, app):
    sim.start_worker(app)
    result = app.tasks["lucky"].delay(900)
    sim.run()

    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"
    assert sim.now == datetime(2015, 8, 3, 12, 15, tzinfo=UTC)


@pytest.mark.parametrize("countdown", [0.000001, 0.1, 1 / 3, 59.999999, 900.5, 3599.9])
def test_a_retry_starts_at_exactly_its_countdown_to_the_microsecond(sim, app, countdown):
    sim.start_worker(app)
    result = app.tasks["lucky"].delay(countdown)
    sim.run()

    first, second = sim.task(result.id).attempts
    assert second.start_ns - first.start_ns == round(countdown * 10**6) * 1000


def test_forty_retries_due_at_one_instant_start_at_that_instant(sim, app):
    sim.start_worker(app, concurrency=4)
    for _ in range(40):
        app.tasks["lucky"].delay(900)
    sim.run()

    assert seconds_of(sim, "task-started") == [0.0] * 40 + [900.0] * 40
    assert sim.states == {"SUCCESS": 40}


def test_get_drives_the_simulation(sim, app):
    sim.start_worker(app)

    assert app.tasks["lucky"].delay(900).get() == "at last"
    assert sim.elapsed == timedelta(minutes=15)


def test_get_times_out_after_virtual_seconds(sim, app):
    sim.start_worker(app)

    with pytest.raises(ResultTimeout):
        app.tasks["nap"].delay(60).get(timeout=5)
    assert sim.elapsed == timedelta(seconds=5)


def test_sleep_in_the_test_lets_the_simulation_run(sim, app):
    sim.start_worker(app)
    result = app.tasks["nap"].delay(10)

    time.sleep(4)
    assert (sim.elapsed, sim.task(result.id).state) == (timedelta(seconds=4), "STARTED")
    time.sleep(6)
    assert (sim.elapsed, sim.task(result.id).state) == (timedelta(seconds=10), "SUCCESS")


def test_as_many_tasks_run_at_once_as_the_worker_has_slots(sim, app):
    sim.start_worker(app, concurrency=2)
    for _ in range(5):
        app.tasks["nap"].delay(10)
    sim.run()

    assert seconds_of(sim, "task-succeeded") == [10.0, 10.0, 20.0, 20.0, 30.0]


def test_a_rate_limit_holds_to_the_microsecond(sim, app):
    sim.start_worker(app, concurrency=4)
    for _ in range(4):
        app.tasks["limited"].delay()
    sim.run()

    assert seconds_of(sim, "task-started") == [0.0, 10.0, 20.0, 30.0]


def test_a_task_that_waits_for_what_never_comes_is_a_deadlock(sim, app):
    sim.start_worker(app)
    app.tasks["stuck"].delay()

    with pytest.raises(Deadlock) as caught:
        sim.run()
    assert str(caught.value) == (
        "no events remain, but stuck[22e1c0c7] is still waiting:\n"
        "  stuck[22e1c0c7] waits for a threading.Condition to be notified"
        " (a threading.Lock made at test_redis_retries.py:20), in threading.Event.wait\n"
        "    on celery@worker-1 slot 1001, at test_redis_retries.py:20: threading.Event().wait()"
    )


def test_an_idle_worker_keeps_no_run_alive(sim, app):
    sim.start_worker(app)
    app.tasks["add"].delay(1, 1)
    sim.run()

    assert sim.elapsed == timedelta(0)


def test_two_workers_share_the_load(sim, app):
    sim.start_worker(app)
    sim.start_worker(app)
    for _ in range(4):
        app.tasks["nap"].delay(10)
    sim.run()

    workers = [attempt.worker for task in sim.tasks() for attempt in task.attempts]
    assert sorted(workers) == ["worker-1", "worker-1", "worker-2", "worker-2"]
    assert sim.elapsed == timedelta(seconds=20)


def test_eager_tasks_need_no_redis(sim, app):
    sim.run_eagerly(app)
    result = app.tasks["lucky"].delay(900)
    sim.run()

    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"
    assert sim.broker.kind == "memory"


def test_a_broker_that_is_not_simulated_is_refused():
    with pytest.raises(Unsupported) as caught:
        Simulation(broker="amqp", start=START)
    assert str(caught.value) == (
        "broker='amqp': this version simulates three kinds of broker; write 'memory', 'redis' or 'rabbitmq' "
        "(or 'rabbitmq:4.3', a version: 3.10, 3.13, 4.0, 4.3)"
    )
