"""kombu's own Redis transport on a simulated server, under Celery's own event loop: what it delivers, and when again."""

import time
from datetime import timedelta

import pytest
from celery import Celery
from celery.worker import loops

from retrysim import Simulation, Unsupported

START = 1_577_880_000  # 2020-01-01T12:00:00Z


@pytest.fixture(scope="module")
def app():
    app = Celery(
        "on_redis", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False
    )

    @app.task(name="add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="lucky", bind=True, shared=False)
    def lucky(self):
        if not self.request.retries:
            raise self.retry(countdown=900)
        return "at last"

    @app.task(name="nap", shared=False)
    def nap(seconds):
        time.sleep(seconds)
        return time.time() - START

    @app.task(name="late", acks_late=True, shared=False)
    def late(seconds):
        time.sleep(seconds)

    return app


@pytest.fixture
def sim():
    with Simulation(start="2020-01-01T12:00:00Z", broker="redis") as simulation:
        yield simulation


def test_its_worker_runs_the_loop_that_prefork_runs(sim, app):
    worker = sim.start_worker(app)

    assert worker.controller.use_eventloop is True
    assert worker.controller.consumer.loop is loops.asynloop


def test_a_retry_starts_at_exactly_its_countdown(sim, app):
    sim.start_worker(app, concurrency=2)
    result = app.tasks["lucky"].delay()
    sim.run()

    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"
    assert sim.elapsed == timedelta(minutes=15)
    sim.check()


def test_results_are_celerys_own_in_the_simulated_redis(sim, app):
    sim.start_worker(app)

    assert app.tasks["add"].delay(3, 4).get() == 7


def test_as_many_tasks_run_at_once_as_the_worker_has_slots(sim, app):
    sim.start_worker(app, concurrency=2)
    results = [app.tasks["nap"].delay(10) for _ in range(5)]
    sim.run()

    assert [result.get() for result in results] == [10, 10, 20, 20, 30]


def test_an_unacked_message_of_a_killed_worker_is_received_again_after_the_visibility_timeout(sim, app, monkeypatch):
    monkeypatch.setitem(app.conf, "broker_transport_options", {"visibility_timeout": 3})
    worker = sim.start_worker(app)
    result = app.tasks["late"].delay(50)
    sim.run_for(1)
    worker.kill()
    sim.start_worker(app)
    sim.run()

    task = sim.task(result.id)
    assert [attempt.worker for attempt in task.attempts] == ["worker-1", "worker-2"]
    assert task.state == "SUCCESS"
    # The other worker's sweep runs each 100 s from its start (each 10 s, and one in ten of these looks).
    assert [attempt.start_ns // 10**9 - START for attempt in task.attempts] == [0, 101]


def test_an_eta_longer_than_the_visibility_timeout_multiplies_the_task(sim, app, monkeypatch):
    monkeypatch.setitem(app.conf, "broker_transport_options", {"visibility_timeout": 3600})
    sim.start_worker(app)
    result = app.tasks["add"].apply_async((1, 1), countdown=9000)
    sim.run()

    task = sim.task(result.id)
    assert [attempt.start_ns // 10**9 - START for attempt in task.attempts] == [9000, 9000, 9000]


def test_simulations_one_after_the_other_do_not_see_each_other(app):
    for _ in range(2):
        with Simulation(broker="redis") as sim:
            sim.start_worker(app)
            app.tasks["lucky"].delay()
            sim.run_for(60)
            assert sim.states == {"RETRY": 1}


def test_hours_of_nothing_are_cheap_to_simulate(sim, app):
    sim.start_worker(app)
    sim.run_for("2.5 hours")

    assert sim.environment.meter.steps < 40_000


def test_another_kind_of_broker_is_refused():
    with pytest.raises(Unsupported, match="write 'memory', 'redis' or 'rabbitmq'"):
        Simulation(broker="kafka")
