"""Events of workers, heard by Celery's own receiver: in the test, which drives the simulation, or beside it."""

import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from semantics_apps import START, make_app, since_start

from retrysim import InputError, Simulation
from retrysim.errors import AppError

POOLS = [(broker, pool) for broker in ("memory", "redis") for pool in ("prefork", "threads", "gevent")]


@pytest.fixture
def app():
    return make_app()


@pytest.fixture(params=["memory", "redis"])
def sim(request):
    with Simulation(start=START, broker=request.param) as simulation:
        yield simulation


def capture(app, hear, **how):
    """What Celery's manual calls a monitor."""
    with app.connection_for_read() as connection:
        app.events.Receiver(connection, handlers={"*": hear}).capture(**how)


# -- in the test ------------------------------------------------------------------------------------------------------


def test_capture_in_the_test_drives_the_simulation_until_its_timeout_in_virtual_seconds(sim, app):
    sim.start_worker(app, task_events=True)
    heard = []

    app.tasks["nap"].delay(5)
    with pytest.raises(socket.timeout):
        capture(app, lambda event: heard.append((since_start(), event["type"])), timeout=20, wakeup=False)

    assert heard == [(0, "task-received"), (0, "task-started"), (5, "task-succeeded")]
    assert sim.elapsed == timedelta(seconds=25)  # twenty after the last one


def test_itercapture_in_the_test_can_be_left_when_enough_was_heard(sim, app):
    sim.start_worker(app, task_events=True)
    heard = []

    app.tasks["nap"].delay(5)
    with app.connection_for_read() as connection:
        for _ in app.events.Receiver(connection, handlers={"*": heard.append}).itercapture(wakeup=False):
            if len(heard) == 3:
                break

    assert [event["type"] for event in heard] == ["task-received", "task-started", "task-succeeded"]
    assert sim.elapsed == timedelta(seconds=5)


def test_what_was_sent_while_nobody_drained_is_heard_afterwards(sim, app):
    sim.start_worker(app, task_events=True)
    heard = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": heard.append})
        with receiver.consumer_context(wakeup=False) as (own_connection, _, _):
            with suppress(socket.timeout):
                own_connection.drain_events(timeout=1)  # kombu subscribes when it polls Redis for the first time
            app.tasks["nap"].delay(5)
            sim.run()
            assert heard == []
            with suppress(socket.timeout):
                while True:
                    own_connection.drain_events(timeout=1)

    assert [round(event["timestamp"] - heard[0]["timestamp"], 6) for event in heard] == [0, 0, 5]


# -- beside it --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("broker", "pool"), POOLS)
def test_a_monitor_hears_what_happens_while_the_simulation_runs(app, broker, pool):
    state, heard = app.events.State(), []

    def hear(event):
        state.event(event)
        heard.append((since_start(), event["type"]))

    with Simulation(start=START, broker=broker) as sim:
        sim.start_worker(app, task_events=True, pool=pool)
        sim.start_program(capture, app, hear)
        heard.clear()  # the answer to its wakeup
        right, wrong = app.tasks["nap"].delay(5), app.tasks["fails"].apply_async(countdown=60)
        sim.run()

        assert [at for at, kind in heard if kind == "task-succeeded"] == [5]
        assert [at for at, kind in heard if kind == "task-failed"] == [60]
        known = state.tasks[right.id]
        assert (known.state, known.name, known.runtime, known.worker.hostname) == (
            "SUCCESS", "nap", 5, "celery@worker-1",
        )  # fmt: skip
        assert (state.tasks[wrong.id].state, state.tasks[wrong.id].exception) == ("FAILURE", "ValueError('no')")
        assert [worker.hostname for worker in state.alive_workers()] == ["celery@worker-1"]


def test_a_monitor_hears_every_kind_of_event(sim):
    app = make_app(task_send_sent_event=True)
    kinds = []

    @app.task(name="retried", shared=False, bind=True)
    def retried(self):
        if not self.request.retries:
            raise self.retry(countdown=3)

    @app.task(name="rejects", shared=False, bind=True, acks_late=True)
    def rejects(self):
        from celery.exceptions import Reject

        raise Reject("no", requeue=False)

    with_heartbeat = {"without_heartbeat": False, "heartbeat_interval": 10}
    worker = sim.start_worker(app, task_events=True, **with_heartbeat)
    sim.start_program(capture, app, lambda event: kinds.append(event["type"]))
    app.tasks["retried"].delay()
    revoked = app.tasks["now"].apply_async(countdown=30)
    app.tasks["rejects"].delay()
    sim.run_for(10)
    revoked.revoke()
    sim.run_for(30)
    worker.stop()
    sim.run_for(2)

    assert {
        "task-sent", "task-received", "task-started", "task-retried", "task-succeeded", "task-revoked",
        "task-rejected", "worker-heartbeat", "worker-offline",
    } <= set(kinds)  # fmt: skip


def test_a_worker_that_is_silent_is_taken_for_dead_after_virtual_minutes(sim, app):
    worker = sim.start_worker(app, without_heartbeat=False, heartbeat_interval=10)
    state = app.events.State()
    sim.start_program(capture, app, state.event)
    sim.run_for(60)
    alive = len(list(state.alive_workers()))
    worker.kill()
    sim.run_for(300)

    assert (alive, list(state.alive_workers())) == (1, [])


def test_events_are_enabled_and_disabled_from_afar(sim, app):
    sim.start_worker(app, without_heartbeat=False)
    kinds = []
    sim.start_program(capture, app, lambda event: kinds.append(event["type"]))
    for command in (None, app.control.enable_events, app.control.disable_events):
        if command is not None:
            command(reply=True, timeout=1)
        kinds.append("|")
        app.tasks["now"].delay()
        sim.run()

    told = [[kind for kind in part.split() if kind.startswith("task-")] for part in " ".join(kinds).split("|")]
    assert told[1:] == [[], ["task-received", "task-started", "task-succeeded"], []]


# -- programs ---------------------------------------------------------------------------------------------------------


def test_a_program_keeps_no_run_alive_and_goes_on_with_the_next(sim, app):
    ticks = []

    def clock():
        while True:
            ticks.append(since_start())
            time.sleep(60)

    sim.start_worker(app)
    program = sim.start_program(clock, name="a clock")
    sim.run()
    assert (sim.elapsed, ticks, program.running) == (timedelta(0), [0], True)

    sim.run_for("2 minutes")
    program.kill()
    sim.run_for("2 minutes")
    assert (ticks, program.running, repr(program)) == ([0, 60, 120], False, "<Program 'a clock', ended>")


def test_a_program_may_send_tasks_and_wait_for_them(sim, app):
    got = []
    sim.start_worker(app)
    program = sim.start_program(lambda: got.append(app.tasks["nap"].delay(5).get(timeout=10)))
    sim.run()

    assert (got, program.running) == ([5], False)


def test_what_a_program_raises_ends_the_run(sim, app):
    def wrong():
        time.sleep(1)
        raise ValueError("of the monitor")

    sim.start_worker(app)
    sim.start_program(wrong)

    with pytest.raises(AppError, match=r"^the program 'wrong' ended with ValueError: of the monitor$"):
        sim.run_for(2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_real_thread_that_waits_in_virtual_time_is_told_what_to_do(sim, app):
    errors = []

    def monitor():
        try:
            capture(app, print)
        except InputError as error:
            errors.append(str(error))

    sim.start_worker(app)
    thread = threading.Thread(target=monitor)
    thread.start()
    thread.join()

    assert errors == [
        "a thread that runs in real time waits for what happens in virtual time: "
        "instead of the thread, start its function by sim.start_program(function)"
    ]
