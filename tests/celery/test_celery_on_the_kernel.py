"""What Celery does besides retrying, hosted: its own code, at the instants it would choose."""

import sys
import time
from datetime import timedelta

import pytest
from celery import Celery, chain, chord, group
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.signals import worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown

from retrysim import Runaway, Simulation

START = 1_577_880_000  # 2020-01-01T12:00:00Z


@pytest.fixture(scope="module")
def app():
    app = Celery(
        "features", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False
    )

    @app.task(name="add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="total", shared=False)
    def total(numbers):
        return sum(numbers)

    @app.task(name="third_time", shared=False, bind=True)
    def third_time(self, value):
        if self.request.retries < 2:
            raise self.retry(countdown=10)
        return value

    @app.task(name="ignored", shared=False)
    def ignored():
        raise Ignore()

    @app.task(name="requeued", shared=False, acks_late=True)
    def requeued():
        raise Reject("again", requeue=True)

    @app.task(name="exits", shared=False)
    def exits():
        sys.exit(3)

    @app.task(name="interrupts", shared=False)
    def interrupts():
        raise KeyboardInterrupt

    @app.task(name="limited", shared=False, rate_limit="6/m")
    def limited():
        return time.time() - START

    @app.task(name="nap", shared=False)
    def nap(seconds):
        time.sleep(seconds)
        return time.time() - START

    @app.task(name="patient", shared=False)
    def patient(seconds):
        try:
            time.sleep(seconds)
        except SoftTimeLimitExceeded:
            return "soft limit at", time.time() - START

    @app.task(name="jittered", shared=False, autoretry_for=(ValueError,), retry_backoff=True, max_retries=4)
    def jittered():
        raise ValueError("no")

    @app.task(name="silent", shared=False, ignore_result=True)
    def silent():
        return 1

    app.finalize()  # tasks take over what is configured now, and not what the first of these tests sets
    return app


@pytest.fixture
def sim(app):
    with Simulation(start="2020-01-01T12:00:00Z", broker="memory") as simulation:
        yield simulation


@pytest.fixture
def tasks(sim, app):
    sim.start_worker(app, concurrency=2)
    return app.tasks


def test_a_chain_waits_for_its_retried_member(sim, tasks):
    result = chain(tasks["add"].s(1, 2), tasks["add"].s(4), tasks["third_time"].s()).delay()

    assert result.get() == 7
    assert sim.elapsed == timedelta(seconds=20)


def test_a_group_gives_its_results_when_the_last_member_is_done(sim, tasks):
    result = group(tasks["third_time"].s(n) for n in range(4)).delay()

    assert result.get() == [0, 1, 2, 3]
    assert sim.elapsed == timedelta(seconds=20)


def test_a_chord_runs_its_body_when_the_last_member_is_done(sim, tasks):
    result = chord([tasks["third_time"].s(n) for n in range(4)], tasks["total"].s()).delay()

    assert result.get() == 6
    assert sim.elapsed == timedelta(seconds=20)


def test_autoretry_draws_its_jitter_from_the_seed(app):
    timelines = []
    for seed in (1, 1, 2):
        with Simulation(seed=seed) as sim:
            sim.start_worker(app)
            result = app.tasks["jittered"].delay()
            sim.run()
            timelines.append(sim.task(result.id).timeline)

    assert timelines[0] == timelines[1] != timelines[2]
    assert timelines[0].endswith("FAILURE")


def test_ignore_leaves_no_state_and_is_settled(sim, tasks):
    result = tasks["ignored"].delay()
    sim.run()

    assert sim.task(result.id).timeline == "IGNORED"
    sim.check()


def test_a_message_that_is_requeued_for_ever_at_one_instant_is_a_runaway(sim, tasks):
    tasks["requeued"].delay()

    with pytest.raises(Runaway, match=r"requeued\[\w+\] was attempted 1000 times"):
        sim.run()


@pytest.mark.parametrize("name", ["exits", "interrupts"])
def test_a_task_that_ends_its_process_fails_and_the_worker_goes_on(sim, tasks, name):
    result = tasks[name].delay()
    sim.run()

    assert sim.task(result.id).state == "FAILURE"
    assert tasks["add"].delay(1, 1).get() == 2


def test_a_rate_limit_spaces_the_starts(sim, tasks):
    results = [tasks["limited"].delay() for _ in range(4)]
    sim.run()

    assert [result.get() for result in results] == [0, 10, 20, 30]


def test_a_task_that_expired_before_it_could_start_is_revoked(sim, tasks):
    result = tasks["nap"].apply_async((1,), countdown=10, expires=5)
    sim.run()

    assert sim.task(result.id).timeline == "10s REVOKED"


def test_a_task_that_waits_for_its_eta_can_be_revoked(sim, tasks):
    result = tasks["nap"].apply_async((1,), countdown=100)
    sim.run_for(1)
    result.revoke()
    sim.run()

    assert sim.task(result.id).state == "REVOKED"
    assert sim.task(result.id).attempts == []


def test_inspect_is_answered(sim, app, tasks):
    assert app.control.inspect(timeout=1).ping() == {"celery@worker-1": {"ok": "pong"}}


def test_a_result_that_is_ignored_is_still_in_the_trace(sim, tasks):
    result = tasks["silent"].delay()
    sim.run()

    assert sim.task(result.id).state == "SUCCESS"
    assert result.state == "PENDING"


def test_results_expire_in_virtual_time(sim, app, tasks):
    result = tasks["add"].delay(1, 1)
    sim.run()
    assert app.AsyncResult(result.id).state == "SUCCESS"

    sim.run_for("23 hours 59 minutes 59 seconds")
    assert app.AsyncResult(result.id).state == "SUCCESS"
    sim.run_for("1 second")
    assert app.AsyncResult(result.id).state == "PENDING"


def test_the_signals_of_a_worker_and_its_pool_processes_are_sent(sim, app):
    heard = []
    for signal, name in (
        (worker_process_init, "process init"),
        (worker_ready, "ready"),
        (worker_process_shutdown, "process shutdown"),
        (worker_shutdown, "shutdown"),
    ):
        signal.connect(lambda name=name, **_: heard.append(name), weak=False, dispatch_uid=name)
    try:
        with sim.start_worker(app, concurrency=2):
            pass
    finally:
        for signal, name in (
            (worker_process_init, "process init"),
            (worker_ready, "ready"),
            (worker_process_shutdown, "process shutdown"),
            (worker_shutdown, "shutdown"),
        ):
            signal.disconnect(dispatch_uid=name)

    assert sorted(set(heard)) == ["process init", "process shutdown", "ready", "shutdown"]
    assert heard.count("process init") == heard.count("process shutdown") == 2


def test_the_worker_runs_the_loop_that_a_real_one_would(sim, app, tasks):
    from celery.worker import loops

    [worker] = sim.workers
    assert worker.controller.consumer.loop is loops.synloop
    assert worker.controller.use_eventloop is False


def test_a_soft_time_limit_is_raised_in_the_body_at_its_instant(sim, tasks):
    result = tasks["patient"].apply_async((100,), soft_time_limit=30)
    sim.run()

    assert result.get() == ["soft limit at", 30]
    assert sim.elapsed == timedelta(seconds=30)


@pytest.mark.parametrize("limit", ["time_limit", "soft_time_limit"])
def test_a_time_limit_may_be_text(sim, tasks, limit):
    """As one that comes from the environment: kombu's hub makes a number of it."""
    result = tasks["nap"].apply_async((100,), **{limit: "40"})
    sim.run()

    task = sim.task(result.id)
    assert task.timeline.startswith("40s FAILURE")
    assert "TimeLimitExceeded" in task.failure.exception


def test_a_hard_time_limit_kills_the_body_and_the_pool_goes_on(sim, tasks):
    result = tasks["nap"].apply_async((100,), time_limit=40)
    sim.run()

    task = sim.task(result.id)
    assert task.timeline.startswith("40s FAILURE")
    assert task.failure.exception == "TimeLimitExceeded: TimeLimitExceeded(40,)"
    assert [tasks["nap"].delay(1).get() for _ in range(2)] == [41, 42]


def test_a_task_that_ends_in_time_is_left_alone(sim, tasks):
    result = tasks["nap"].apply_async((10,), soft_time_limit=20, time_limit=30)

    assert result.get() == 10
    sim.run()
    assert sim.elapsed == timedelta(seconds=10)


def test_the_limits_of_the_app_hold_for_every_task(sim, app, monkeypatch):
    monkeypatch.setitem(app.conf, "task_time_limit", 5)
    sim.start_worker(app)
    result = app.tasks["nap"].delay(100)
    sim.run()

    assert (sim.task(result.id).state, sim.elapsed) == ("FAILURE", timedelta(seconds=5))


def test_revoke_with_terminate_kills_what_runs(sim, tasks):
    result = tasks["nap"].delay(100)
    sim.run_for(10)
    result.revoke(terminate=True)
    sim.run()

    assert sim.task(result.id).timeline == "10s REVOKED"
    assert tasks["nap"].delay(1).get() == 11
