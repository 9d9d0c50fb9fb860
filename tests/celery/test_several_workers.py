"""Several workers, several apps: what a worker process has for itself is each worker's own, one test per global."""

import time
from datetime import timedelta

import kombu.asynchronous.hub
import pytest
from celery import Celery, _state, current_app
from celery.worker import state
from kombu import pools

from retrysim import Simulation

START = 1_577_880_000  # 2020-01-01T12:00:00Z


@pytest.fixture(scope="module")
def app():
    return make_app("first")


def make_app(name):
    app = Celery(name, broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="where", bind=True, shared=False)
    def where(self):
        return self.request.hostname, current_app.main

    @app.task(name="nap", shared=False)
    def nap(seconds):
        time.sleep(seconds)
        return time.time() - START

    @app.task(name="lucky", bind=True, shared=False)
    def lucky(self):
        if not self.request.retries:
            raise self.retry(countdown=900)
        return self.request.hostname

    return app


@pytest.fixture
def sim():
    with Simulation(start="2020-01-01T12:00:00Z", broker="memory") as simulation:
        yield simulation


def test_two_workers_share_the_load(sim, app):
    sim.start_worker(app)
    sim.start_worker(app)
    for _ in range(4):
        app.tasks["nap"].delay(10)
    sim.run()

    assert sim.elapsed == timedelta(seconds=20)
    assert {attempt.worker for task in sim.tasks() for attempt in task.attempts} == {"worker-1", "worker-2"}


def test_each_worker_consumes_its_own_queues_only(sim, app):
    first = sim.start_worker(app, queues=["mail"])
    second = sim.start_worker(app, queues=["web"])
    results = [app.tasks["where"].apply_async(queue=queue) for queue in ("mail", "web", "mail", "web")]

    assert [result.get()[0] for result in results] == ["celery@worker-1", "celery@worker-2"] * 2
    assert (first.queues, second.queues) == ({"mail"}, {"web"})


def test_each_task_runs_under_its_own_workers_app(sim, app):
    other = make_app("second")
    sim.start_worker(app, queues=["one"])
    sim.start_worker(other, queues=["two"])

    assert app.tasks["where"].apply_async(queue="one").get() == ["celery@worker-1", "first"]
    assert other.tasks["where"].apply_async(queue="two").get() == ["celery@worker-2", "second"]


def test_each_worker_knows_its_own_reserved_and_active_tasks(sim, app):
    workers = [sim.start_worker(app, queues=[queue]) for queue in ("one", "two")]
    for queue in ("one", "one", "two"):
        app.tasks["nap"].apply_async((100,), queue=queue)
    sim.run_for(1)

    seen = []
    for worker in workers:
        with worker.inside():
            seen.append((len(state.reserved_requests), len(state.active_requests), state.all_total_count[0]))
    assert seen == [(2, 1, 1), (1, 1, 1)]
    assert (len(state.requests), len(state.active_requests)) == (0, 0)


def test_each_worker_has_its_own_revoked_ids(sim, app):
    workers = [sim.start_worker(app), sim.start_worker(app)]
    with workers[0].inside():
        state.revoked.add("some-id")

    with workers[1].inside():
        assert "some-id" not in state.revoked
    assert "some-id" not in state.revoked


def test_stopping_one_worker_leaves_the_other_at_work(sim, app):
    first = sim.start_worker(app)
    sim.start_worker(app)
    first.stop()

    assert app.tasks["where"].delay().get()[0] == "celery@worker-2"
    assert state.should_stop is None


def test_stopping_one_worker_leaves_the_others_waiting_retries_alone(sim, app):
    first = sim.start_worker(app, queues=["one"])
    sim.start_worker(app, queues=["two"])
    result = app.tasks["lucky"].apply_async(queue="two")
    sim.run_for(60)
    first.stop()

    assert result.get() == "celery@worker-2"
    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"


def test_join_would_block_in_workers_and_never_in_the_test(sim, app):
    worker = sim.start_worker(app)

    assert _state.task_join_will_block() is False
    with worker.inside():
        assert _state.task_join_will_block() is True


def test_each_worker_has_its_own_event_loop_and_its_own_connections(sim, app):
    workers = [sim.start_worker(app), sim.start_worker(app)]
    loop, groups = object(), []
    with workers[0].inside():
        kombu.asynchronous.hub.set_event_loop(loop)
        groups.append(pools.connections)
    with workers[1].inside():
        assert kombu.asynchronous.hub.get_event_loop() is None
        groups.append(pools.connections)

    assert kombu.asynchronous.hub.get_event_loop() is None
    assert len({id(group) for group in [*groups, pools.connections]}) == 3


def test_every_worker_answers_for_itself(sim, app):
    for _ in range(2):
        sim.start_worker(app)

    assert sorted(app.control.inspect(timeout=1).ping()) == ["celery@worker-1", "celery@worker-2"]


def test_the_globals_are_the_tests_own_again_afterwards(app):
    names = [state.requests, state.revoked, pools.connections, _state.default_app, state.task_reserved.__defaults__]
    with Simulation() as sim:
        sim.start_worker(app)
        sim.start_worker(app)
        app.tasks["nap"].delay(1000)
        sim.run_for(1)

    after = [state.requests, state.revoked, pools.connections, _state.default_app, state.task_reserved.__defaults__]
    assert all(one is other for one, other in zip(names, after, strict=True))
