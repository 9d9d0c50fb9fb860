"""Nothing goes on for ever: what would is a named error, with the task and its line, and the limit that ended it."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime

import pytest
from celery import Celery
from greenlet import getcurrent
from kombu import Queue

from retrysim import InputError, Limits, Runaway, Simulation
from retrysim.errors import SimulationError
from retrysim.patches import computing, real_locks

EPOCH = 1_445_000_000


def run(app, task, broker="memory", limits=None, **options):
    with Simulation(broker=broker, limits=limits) as sim:
        sim.start_worker(app)
        result = task.apply_async(**options)
        sim.run()
        return result, sim.elapsed.total_seconds()


def error_of(app, task, **options):
    with pytest.raises(Runaway) as caught:
        run(app, task, **options)
    return str(caught.value).splitlines()


def more(name):
    return (
        f"If that is meant, allow more: Simulation(limits={{'{name}': ...}}), `limits: {{{name}: ...}}` in a scenario "
        f"file, or `limits = {{{name} = ...}}` under [tool.retrysim]"
    )


# -- tasks that compute -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(real_locks, "PERIOD", 0.1)


@pytest.fixture
def pipe():
    """The end of a pipe into which nobody writes."""
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


@pytest.fixture
def computes(app):
    @app.task(name="computes", shared=False)
    def computes():
        while True:
            pass

    return computes


@pytest.fixture
def reads(app, pipe):
    @app.task(name="reads", shared=False)
    def reads():
        os.read(pipe, 1)

    return reads


@pytest.mark.parametrize(
    ("name", "limit_s", "does"),
    [
        ("computes", 0.2, "has computed for 0.2 s of real time without waiting"),
        ("reads", 0.02, "waits for 0.2 s of real time, for a file, a pipe or a socket"),
    ],
)
def test_a_task_that_never_ends_is_named_with_what_it_does(app, name, limit_s, does, computes, reads):
    limits = Limits(real_seconds=limit_s)
    first, at, remedy = error_of(app, app.tasks[name], limits=limits, task_id="12345678")

    assert first == f"task {name}[12345678] {does}, and virtual time stands still meanwhile"
    assert at.startswith("  at test_endless.py:")
    assert remedy == more("real_seconds")


def test_a_task_that_catches_everything_and_computes_for_ever_is_ended_too(app):
    @app.task(name="catches", shared=False)
    def catches():
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass

    assert "task catches[12345678]" in error_of(app, catches, limits=Limits(real_seconds=0.2), task_id="12345678")[0]


def test_a_condition_that_computes_for_ever_is_ended(app):
    def condition():
        while True:
            pass

    with Simulation(broker="memory", limits=Limits(real_seconds=0.2)) as sim:
        sim.start_worker(app)
        with pytest.raises(Runaway, match=r"^the test, or a condition of its own, has computed for 0.2 s of real time"):
            sim.run(until=condition)


@pytest.mark.parametrize(
    ("limit", "error"),
    [({"time_limit": 4}, "TimeLimitExceeded(4)"), ({"soft_time_limit": 4}, "SoftTimeLimitExceeded()")],
)
def test_a_time_limit_ends_a_task_that_computes_for_ever(app, computes, monkeypatch, limit, error):
    monkeypatch.setattr(computing, "_SHORTEST_S", 0.2)

    result, elapsed = run(app, computes, limits=Limits(real_seconds=0.2), **limit)

    assert (repr(result.result), elapsed) == (error, 4)


# -- tasks that wait --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["memory", "redis"])
def test_a_task_that_sleeps_in_a_circle_is_named(app, broker):
    @app.task(name="sleeps", shared=False)
    def sleeps():
        while True:
            time.sleep(1)

    first, who, where, remedy = error_of(app, sleeps, broker=broker, limits=Limits(task_steps=50), task_id="12345678")

    assert first == "tasks have waited 50 times, and nothing else has happened:"
    assert who == "  sleeps[12345678] waits for 1s to pass"
    assert where.startswith("    on celery@worker-1 slot 1001, at test_endless.py:")
    assert where.endswith(": time.sleep(1)")
    assert remedy == more("task_steps")


def test_a_task_that_waits_for_an_event_in_a_circle_is_named(app):
    @app.task(name="polls", shared=False)
    def polls():
        never = threading.Event()
        while not never.wait(1):
            pass

    assert error_of(app, polls, limits=Limits(task_steps=50))[1].startswith("  polls[")


def test_a_thread_of_a_task_that_sleeps_in_a_circle_is_ended(app):
    @app.task(name="starts", shared=False)
    def starts():
        def sleep_for_ever():
            while True:
                time.sleep(1)

        thread = threading.Thread(target=sleep_for_ever)
        thread.start()
        thread.join()

    assert error_of(app, starts, limits=Limits(task_steps=50))[0] == (
        "tasks have waited 50 times, and nothing else has happened:"
    )


def test_a_task_that_waits_often_while_others_get_on_is_let_be(app):
    @app.task(name="waits often", shared=False)
    def waits_often():
        for _ in range(40):
            time.sleep(1)

    with Simulation(broker="memory", limits=Limits(task_steps=50)) as sim:
        sim.start_worker(app)
        for _ in range(3):
            waits_often.delay()
        sim.run()

        assert sim.elapsed.total_seconds() == 120


# -- what is years away -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["memory", "redis"])
def test_an_epoch_that_was_taken_for_a_countdown_is_named(app, broker):
    @app.task(name="nothing", shared=False)
    def nothing():
        pass

    assert error_of(app, nothing, broker=broker, countdown=EPOCH, task_id="12345678") == [
        "the run took more than 3660d of virtual time",
        "  task nothing[12345678] waits 16724d12h53m20s for its ETA: 1445000000 s, which is the Unix time of "
        "2015-10-16 12:53:20 UTC. Was an epoch taken for a countdown?",
        more("virtual_time"),
    ]


@pytest.mark.parametrize("broker", ["memory", "redis"])
def test_an_epoch_that_was_taken_for_the_countdown_of_a_retry_is_named(app, broker):
    @app.task(name="limited", bind=True, shared=False)
    def limited(self):
        raise self.retry(countdown=EPOCH)

    assert error_of(app, limited, broker=broker)[1].endswith("Was an epoch taken for a countdown?")


@pytest.mark.parametrize("broker", ["memory", "redis"])
@pytest.mark.parametrize("seconds", [EPOCH, 1e18])
def test_a_sleep_of_years_is_named(app, broker, seconds):
    @app.task(name="sleeps", shared=False)
    def sleeps():
        time.sleep(seconds)

    lines = error_of(app, sleeps, broker=broker)

    assert lines[0] == "the run took more than 3660d of virtual time"
    assert lines[1].startswith("  sleeps[")
    assert lines[2].endswith("Was an epoch taken for a number of seconds?" if seconds == EPOCH else "")


def test_a_run_to_the_end_of_the_calendar_is_refused(app):
    with Simulation(broker="redis") as sim:
        sim.start_worker(app)
        with pytest.raises(InputError) as caught:
            sim.run(until=datetime.max.replace(tzinfo=UTC))

    assert str(caught.value).startswith("the end of the run, 2914634d")
    assert str(caught.value).endswith(
        "would be later than 3660d after the start of the simulation; allow that by limits=Limits(virtual_ns=...)"
    )


# -- greenlets --------------------------------------------------------------------------------------------------------


def test_a_greenlet_that_never_comes_back_is_named(app):
    @app.task(name="leaves", shared=False)
    def leaves():
        getcurrent().parent.switch()

    with Simulation(broker="memory") as sim:
        sim.start_worker(app)
        leaves.delay()
        with pytest.raises(SimulationError) as caught:
            sim.run()

    assert str(caught.value) == (
        "celery@worker-1 slot 1001 has switched to another greenlet by itself, and nobody would switch back: "
        "a greenlet of a task may switch to those that the task has started, and wait as everybody does"
    )


# -- the settings -----------------------------------------------------------------------------------------------------


def test_limits_can_be_given_as_a_settings_file_has_them():
    with Simulation(limits={"virtual_time": "1 day", "real_seconds": 60}) as sim:
        assert sim.environment.limits == Limits(virtual_ns=86_400 * 10**9, real_seconds=60)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"real_second": 1}, "limits: there is no 'real_second'; did you mean 'real_seconds'?"),
        ({"events": 0}, "limits: events: expected a number greater than 0; got 0"),
        ({"events": "many"}, "limits: events: expected a number greater than 0; got 'many'"),
    ],
)
def test_wrong_limits_are_refused(limits, message):
    with pytest.raises(InputError) as caught:
        Simulation(limits=limits)

    assert str(caught.value) == message


# -- workers that connect again and again -----------------------------------------------------------------------------


def test_a_worker_whose_connections_the_broker_ends_is_named():
    app = Celery("refused", broker="amqp://", set_as_current=False)
    app.conf.task_queues = [Queue("celery", queue_arguments={"x-queue-type": "quorum"})]
    app.conf.worker_detect_quorum_queues = False  # a global prefetch count, which a quorum queue refuses

    with Simulation(broker="rabbitmq:3.13", limits=Limits(connections=20)) as sim, pytest.raises(Runaway) as caught:
        sim.start_worker(app)
    assert str(caught.value).splitlines() == [
        "worker-1 has connected to RabbitMQ 20 times, and nothing else has happened: RabbitMQ ends each connection, as "
        "the log of worker-1 says",
        more("connections"),
    ]
