"""What a worker takes, holds and gives back: prefetch, acks, rejects, and what it knows after a restart."""

from datetime import timedelta

import pytest
from celery import VERSION
from celery.exceptions import Ignore, Reject
from semantics_apps import START, make_app, starts_of

from retrysim import Simulation


@pytest.fixture
def app():
    return make_app()


@pytest.fixture
def sim():
    with Simulation(start=START, broker="redis") as simulation:
        yield simulation


def left(sim):
    return len(sim.broker.waiting().get("celery", []))


@pytest.mark.parametrize(("multiplier", "waiting"), [(1, 8), (4, 2), (0, 0)])
def test_a_worker_takes_as_many_as_its_slots_times_the_multiplier(sim, app, multiplier, waiting):
    sim.start_worker(app, concurrency=2, prefetch_multiplier=multiplier)
    for _ in range(10):
        app.tasks["late_nap"].delay(10)
    sim.run_for(1)

    assert left(sim) == waiting


def test_tasks_that_wait_for_their_eta_raise_the_prefetch_count(sim, app):
    worker = sim.start_worker(app, prefetch_multiplier=1)
    for _ in range(5):
        app.tasks["late_nap"].apply_async((1,), countdown=60)
    sim.run_for(1)

    assert left(sim) == 0
    assert len(worker.scheduled) == 5


@pytest.mark.skipif(VERSION < (5, 6), reason="worker_eta_task_limit came with Celery 5.6")
def test_worker_eta_task_limit_ends_that(sim):
    app = make_app(worker_eta_task_limit=3)
    worker = sim.start_worker(app, prefetch_multiplier=1)
    for _ in range(5):
        app.tasks["late_nap"].apply_async((1,), countdown=60)
    sim.run_for(1)

    assert (left(sim), len(worker.scheduled)) == (2, 3)


@pytest.mark.skipif(VERSION < (5, 6), reason="worker_disable_prefetch came with Celery 5.6")
def test_worker_disable_prefetch_takes_what_can_run_now(sim):
    app = make_app(worker_disable_prefetch=True)
    sim.start_worker(app, concurrency=2)
    for _ in range(10):
        app.tasks["late_nap"].delay(10)
    sim.run_for(1)

    assert left(sim) == 8


def test_a_task_expires_while_it_waits_for_a_slot(sim, app):
    sim.start_worker(app)
    app.tasks["nap"].delay(10)
    result = app.tasks["now"].apply_async(expires=5)
    sim.run()

    assert sim.task(result.id).state == "REVOKED"


@pytest.mark.parametrize(("acks_on_failure", "runs"), [(True, 1), (False, 1)])
def test_a_late_task_that_fails_is_acked_or_rejected(sim, acks_on_failure, runs):
    app = make_app(task_acks_late=True, task_acks_on_failure_or_timeout=acks_on_failure)
    sim.start_worker(app)
    result = app.tasks["fails"].delay()
    sim.run()

    assert len(sim.task(result.id).attempts) == runs
    assert sim.broker.client.zcard("unacked_index") == 0


def test_reject_with_requeue_comes_back_and_ignore_leaves_no_state(sim, app):
    seen = []

    @app.task(name="rejects once", shared=False, acks_late=True)
    def rejects_once():
        seen.append(1)
        if len(seen) == 1:
            raise Reject("again", requeue=True)

    @app.task(name="ignores", shared=False)
    def ignores():
        raise Ignore

    sim.start_worker(app)
    rejected, ignored = app.tasks["rejects once"].delay(), app.tasks["ignores"].delay()
    sim.run()

    assert sim.task(rejected.id).timeline == "REJECTED SUCCESS"
    assert (sim.task(ignored.id).timeline, ignored.state) == ("IGNORED", "PENDING")


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("FAILURE", marks=pytest.mark.skipif(VERSION < (5, 7), reason="since Celery 5.7")),
        pytest.param("PENDING", marks=pytest.mark.skipif(VERSION >= (5, 5), reason="in Celery 5.4")),
    ],
)
def test_a_reject_without_requeue_is_a_failure_since_5_7_and_nothing_before(sim, app, state):
    @app.task(name="rejects", shared=False)
    def rejects():
        raise Reject("no", requeue=False)

    sim.start_worker(app)
    result = app.tasks["rejects"].delay()
    sim.run()

    assert result.state == state


@pytest.mark.parametrize("broker", ["memory", "redis"])
def test_autoscale_grows_with_the_queue_and_shrinks_when_it_is_over(app, broker):
    with Simulation(start=START, broker=broker) as sim:
        worker = sim.start_worker(app, autoscale=(4, 1))
        for _ in range(8):
            app.tasks["nap"].delay(10)
        sim.run_for(3)
        assert len(worker.running) == 4

        sim.run()
        sim.run_for("2 minutes")
        assert worker.controller.pool.num_processes == 1


def test_pool_grow_and_shrink(sim, app):
    worker = sim.start_worker(app)
    app.control.pool_grow(2, reply=True)
    for _ in range(3):
        app.tasks["nap"].delay(10)
    sim.run_for(1)
    assert len(worker.running) == 3

    sim.run()
    app.control.pool_shrink(2, reply=True)
    assert worker.controller.pool.num_processes == 1


def test_a_redelivered_task_that_succeeded_is_not_run_again_if_the_app_says_so(sim):
    app = make_app(
        task_acks_late=True,
        worker_deduplicate_successful_tasks=True,
        broker_transport_options={"visibility_timeout": 30},
    )
    sim.start_worker(app, concurrency=2)
    app.tasks["late_nap"].delay(150)
    sim.run_for("400 seconds")
    again = len(starts_of(sim))
    app.tasks["late_nap"].delay(1)
    sim.run()

    assert again == 2  # the copy came while the first one ran, and could not know
    assert sim.states == {"SUCCESS": 2}


def test_what_was_revoked_is_known_after_a_restart_with_a_statedb(sim, app, tmp_path):
    worker = sim.start_worker(app, statedb=str(tmp_path / "state"))
    result = app.tasks["now"].apply_async(countdown=600)
    sim.run_for(1)
    result.revoke()
    sim.run_for(1)
    worker.stop()
    worker.restart()
    sim.run_for("2 hours")

    assert sim.task(result.id).attempts == []


def test_a_worker_that_mingles_learns_what_its_neighbours_have_revoked(sim, app):
    sim.start_worker(app, name="first")
    app.control.revoke("an-id", reply=True)
    second = sim.start_worker(app, name="second", without_mingle=False)

    with sim._crew.processes.inside(second):
        assert "an-id" in second.controller.state.revoked
    assert sim.elapsed < timedelta(seconds=5)
