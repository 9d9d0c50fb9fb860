"""What a worker takes, holds and gives back: prefetch, acks, rejects, and what it knows after a restart."""

import time
from datetime import timedelta

import pytest
from celery import VERSION
from celery.exceptions import Ignore, Reject
from semantics_apps import START, make_app

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


@pytest.mark.parametrize(
    ("pool", "multiplier", "waiting"),
    [
        *(
            (pool, multiplier, waiting)
            for pool in ("prefork", "threads")
            for multiplier, waiting in ((1, 8), (4, 2), (0, 0))
        ),
        ("gevent", 1, 8),
        ("gevent", 4, 7),  # with the third task its main greenlet waits for a free one, and takes nothing more
        ("gevent", 0, 7),
    ],
)
def test_a_worker_takes_as_many_as_its_slots_times_the_multiplier(sim, app, pool, multiplier, waiting):
    sim.start_worker(app, concurrency=2, prefetch_multiplier=multiplier, pool=pool)
    for _ in range(10):
        app.tasks["late_nap"].delay(10)
    sim.run_for(1)

    assert left(sim) == waiting


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_tasks_that_wait_for_their_eta_raise_the_prefetch_count(sim, app, pool):
    worker = sim.start_worker(app, prefetch_multiplier=1, pool=pool)
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


def settlements(sim, monkeypatch):
    """What the broker is told of the messages of tasks, as it is told."""
    told, channel = [], sim._crew.broker.transport.Channel
    ack, reject = channel.basic_ack, channel.basic_reject

    def basic_ack(self, *args, **kwargs):
        told.append("ack")
        return ack(self, *args, **kwargs)

    def basic_reject(self, tag, requeue=False):
        told.append("requeue" if requeue else "reject")
        return reject(self, tag, requeue=requeue)

    monkeypatch.setattr(channel, "basic_ack", basic_ack)
    monkeypatch.setattr(channel, "basic_reject", basic_reject)
    return told


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
@pytest.mark.parametrize(("acks_on_failure", "settled"), [(True, "ack"), (False, "reject")])
def test_a_late_task_that_fails_is_acked_or_rejected(sim, monkeypatch, pool, acks_on_failure, settled):
    app = make_app(task_acks_late=True, task_acks_on_failure_or_timeout=acks_on_failure)
    sim.start_worker(app, pool=pool)
    told = settlements(sim, monkeypatch)
    right = app.tasks["add"].delay(1, 2)
    sim.run()
    assert (told, right.state) == (["ack"], "SUCCESS")

    wrong = app.tasks["fails"].delay()
    sim.run()
    assert (told[1:], wrong.state, len(sim.task(wrong.id).attempts)) == ([settled], "FAILURE", 1)
    assert sim.broker.client.zcard("unacked_index") == 0


def add_too_long_once(app):
    """A task that its time limit strikes at the first try."""
    naps = iter([100, 1])

    @app.task(name="too long once", shared=False, time_limit=30)
    def too_long_once():
        time.sleep(next(naps))


@pytest.mark.parametrize(
    ("acks_on_failure", "settled"),
    [
        (True, ["ack"]),
        pytest.param(False, ["requeue", "ack"], marks=pytest.mark.skipif(VERSION < (5, 7), reason="since Celery 5.7")),
        pytest.param(False, ["reject"], marks=pytest.mark.skipif(VERSION >= (5, 5), reason="in Celery 5.4")),
    ],
)
def test_a_late_task_that_is_killed_by_its_limit_is_acked_or_comes_back_since_5_7(
    sim, monkeypatch, acks_on_failure, settled
):
    app = make_app(task_acks_late=True, task_acks_on_failure_or_timeout=acks_on_failure)
    add_too_long_once(app)
    sim.start_worker(app)
    told = settlements(sim, monkeypatch)
    result = app.tasks["too long once"].delay()
    sim.run()

    assert told == settled
    assert len(sim.task(result.id).attempts) == len(settled)


@pytest.mark.skipif(VERSION < (5, 7), reason="two settings since Celery 5.7")
@pytest.mark.parametrize(
    ("settings", "of_a_failure", "of_a_timeout"),
    [
        ({"task_acks_on_failure": False}, "reject", "ack"),
        ({"task_acks_on_timeout": False}, "ack", "requeue"),
        ({"task_acks_on_failure": False, "task_acks_on_timeout": False}, "reject", "requeue"),
    ],
)
def test_since_5_7_a_failure_and_a_timeout_have_settings_of_their_own(
    sim, monkeypatch, settings, of_a_failure, of_a_timeout
):
    app = make_app(task_acks_late=True, **settings)
    add_too_long_once(app)
    sim.start_worker(app)
    told = settlements(sim, monkeypatch)
    app.tasks["fails"].delay()
    sim.run()
    app.tasks["too long once"].delay()
    sim.run()

    assert told[:2] == [of_a_failure, of_a_timeout]


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
@pytest.mark.parametrize(("name", "at"), [("nap", 0), ("late_nap", 10)])
def test_an_early_ack_is_sent_before_the_body_and_a_late_one_after_it(sim, app, monkeypatch, pool, name, at):
    sim.start_worker(app, pool=pool)
    told = settlements(sim, monkeypatch)
    app.tasks[name].delay(10)
    sim.run(until=lambda: bool(told))

    assert sim.elapsed == timedelta(seconds=at)


@pytest.mark.parametrize(
    ("pool", "state"),
    [
        ("prefork", "REVOKED"),
        ("threads", "SUCCESS"),  # it is in the executor's queue already, where nobody looks again
        ("gevent", "SUCCESS"),  # the greenlet that would hear of it waits for a slot
    ],
)
def test_a_task_that_was_revoked_while_it_waited_for_a_slot_runs_in_some_pools(sim, app, pool, state):
    sim.start_worker(app, pool=pool)
    app.tasks["nap"].delay(10)
    result = app.tasks["now"].delay()
    sim.run_for(1)
    result.revoke()
    sim.run()

    assert sim.task(result.id).state == state


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


@pytest.mark.parametrize(
    "pool",
    [
        "prefork",
        pytest.param(
            "gevent", marks=pytest.mark.skipif(VERSION < (5, 7), reason="Celery 5.4 wakes nobody when this pool grows")
        ),
    ],
)
@pytest.mark.parametrize("broker", ["memory", "redis"])
def test_autoscale_grows_with_the_queue_and_shrinks_when_it_is_over(app, broker, pool):
    with Simulation(start=START, broker=broker) as sim:
        worker = sim.start_worker(app, autoscale=(4, 1), pool=pool)
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


@pytest.mark.parametrize(("deduplicates", "runs"), [(True, ["worker-1"]), (False, ["worker-1", "worker-2"])])
def test_a_task_that_succeeded_and_was_not_acked_is_run_again_unless_the_app_says_otherwise(sim, deduplicates, runs):
    app = make_app(
        task_acks_late=True,
        worker_deduplicate_successful_tasks=deduplicates,
        broker_transport_options={"visibility_timeout": 30},
    )
    first = sim.start_worker(app)
    result = app.tasks["late_nap"].delay(10)
    sim.run(until=lambda: sim.task(result.id).state == "SUCCESS")
    first.kill()  # between the result and the ack
    sim.start_worker(app)
    sim.run_for("10 minutes")

    assert [attempt.worker for attempt in sim.task(result.id).attempts] == runs
    assert result.state == "SUCCESS"
    assert sim.broker.client.zcard("unacked_index") == 0


def test_a_copy_that_comes_while_the_first_one_runs_cannot_know_and_runs(sim):
    app = make_app(
        task_acks_late=True,
        worker_deduplicate_successful_tasks=True,
        broker_transport_options={"visibility_timeout": 30},
    )
    sim.start_worker(app, concurrency=2)
    result = app.tasks["late_nap"].delay(500)
    sim.run_for("20 minutes")

    assert len(sim.task(result.id).attempts) == 2


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

    with second.inside():
        assert "an-id" in second.controller.state.revoked
    assert sim.elapsed < timedelta(seconds=5)
