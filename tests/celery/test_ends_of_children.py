"""What ends a pool's child from outside, and what runs of the task then: outcomes of real workers (Celery 5.7)."""

import time
from itertools import count

import pytest
from billiard import VERSION as BILLIARD
from celery import VERSION, Celery
from celery.exceptions import SoftTimeLimitExceeded

from retrysim.simulation import Simulation
from retrysim.trace import WorkerStopped

NUMBERS = count()
HANDLED_BEFORE_4_3 = pytest.mark.skipif(BILLIARD < (4, 3), reason="billiard 4.2 handles SIGUSR2 as it does SIGTERM")


@pytest.fixture
def app():
    app = Celery(f"children{next(NUMBERS)}", broker="redis://nobody.example/0", set_as_current=False)
    app.conf.result_backend = "redis://nobody.example/1"
    app.lines = []

    def note(what):
        app.lines.append((round(time.monotonic() - app.began, 6), what))

    @app.task(name="body", shared=False)
    def body(clean_up=0.0, swallow=False, fail=False):
        app.began = time.monotonic()
        try:
            time.sleep(6)
        except (SystemExit, SoftTimeLimitExceeded) as error:
            note(repr(error))
            if swallow:
                return "swallowed"
            raise
        finally:
            if clean_up:
                time.sleep(clean_up)
            note("finally")
            if fail:
                raise ValueError("in finally")

    @app.task(name="quick", shared=False)
    def quick():
        note("quick")

    @app.task(name="greedy", shared=False, acks_late=True)
    def greedy():
        raise MemoryError("none left")

    @app.task(name="unloadable", shared=False, acks_late=True)
    def unloadable():
        raise Unloadable("one", "two")

    return app


class Unloadable(BaseException):
    """It is pickled with one argument, and takes two."""

    def __init__(self, first, _second):
        super().__init__(first)


@pytest.fixture(params=["redis", "memory"])
def sim(request):
    with Simulation(broker=request.param) as simulation:
        yield simulation


SAID = pytest.mark.skipif(BILLIARD < (4, 3), reason="before billiard 4.3, what is no Exception ends a child silently")
TERM, QUIT, HUP = "SystemExit(-241)", "SystemExit(-253)", "SystemExit(-255)"


@pytest.mark.parametrize(
    ("signal", "body", "state", "lines"),
    [
        ("SIGTERM", {}, "REVOKED", [(1, TERM), (1, "finally"), (1.1, "quick")]),
        ("SIGTERM", {"clean_up": 3}, "REVOKED", [(1, TERM), (4, "finally"), (4.1, "quick")]),
        ("SIGTERM", {"swallow": True}, "SUCCESS", [(1, TERM), (1, "finally"), (1, "quick")]),
        ("SIGTERM", {"fail": True}, "FAILURE", [(1, TERM), (1, "finally"), (1, "quick")]),
        ("SIGQUIT", {}, "REVOKED", [(1, QUIT), (1, "finally"), (1.1, "quick")]),
        ("SIGHUP", {}, "REVOKED", [(1, HUP), (1, "finally"), (1.1, "quick")]),
        ("SIGUSR1", {}, "FAILURE", [(1, "SoftTimeLimitExceeded()"), (1, "finally"), (1, "quick")]),
        ("SIGINT", {}, "SUCCESS", [(6, "finally"), (6, "quick")]),
        pytest.param("SIGUSR2", {}, "REVOKED", [(1.1, "quick")], marks=HANDLED_BEFORE_4_3),
        ("SIGKILL", {}, "REVOKED", [(1.1, "quick")]),
    ],
)
def test_terminate_sends_its_signal_and_what_unwinds_is_run(sim, app, signal, body, state, lines):
    sim.start_worker(app, concurrency=1)
    result = app.tasks["body"].apply_async(kwargs=body)
    sim.run_for(1)
    app.control.revoke(result.id, terminate=True, signal=signal)
    app.tasks["quick"].delay()
    sim.run()

    assert (result.state, app.lines) == (state, lines)


@pytest.mark.parametrize(
    ("body", "state", "lines"),
    [
        ({"clean_up": 0.05}, "FAILURE", [(2, TERM), (2.05, "finally")]),
        ({"clean_up": 0.3}, "FAILURE", [(2, TERM)]),
        ({"swallow": True}, "SUCCESS", [(2, TERM), (2, "finally")]),
    ],
)
def test_a_hard_limit_leaves_a_tenth_of_a_second_to_clean_up(app, body, state, lines):
    with Simulation(broker="redis") as sim:
        sim.start_worker(app, concurrency=1)
        result = app.tasks["body"].apply_async(kwargs=body, time_limit=2)
        sim.run()

        assert (result.state, app.lines) == (state, lines)


@pytest.mark.parametrize(("swallow", "state"), [(False, "FAILURE"), (True, "SUCCESS")])
def test_a_hard_limit_below_the_soft_one_strikes_when_the_soft_one_has(app, swallow, state, caplog):
    with Simulation(broker="redis") as sim:
        sim.start_worker(app, concurrency=1)
        result = app.tasks["body"].apply_async(kwargs={"swallow": swallow}, soft_time_limit=4, time_limit=2)
        sim.run()

        assert (result.state, app.lines) == (state, [(4, "SoftTimeLimitExceeded()"), (4, "finally")])
        assert f"Hard time limit (2s) exceeded for body[{result.id}]" in caplog.messages


@pytest.mark.skipif(VERSION < (5, 5), reason="Celery 5.4 cancels nothing; what its pool does is on the boundary page")
@pytest.mark.parametrize("clean_up", [0.3, 3])
def test_a_cold_shutdown_lets_a_task_clean_up(app, clean_up):
    with Simulation(broker="redis") as sim:
        worker = sim.start_worker(app)
        result = app.tasks["body"].delay(clean_up)
        sim.run_for(1)
        worker.quit()

        assert (result.state, app.lines) == ("RETRY", [(1, TERM), (1 + clean_up, "finally")])


def test_a_lock_is_free_after_its_holder_was_terminated(app):
    with Simulation(broker="redis") as sim:

        @app.task(name="locked", shared=False)
        def locked():
            with app.backend.client.lock("one", timeout=3600):
                time.sleep(60)

        sim.start_worker(app)
        result = app.tasks["locked"].delay()
        sim.run_for(1)
        app.control.revoke(result.id, terminate=True)
        sim.run()

        assert app.backend.client.exists("one") == 0


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize(
    ("task", "error"), [("greedy", "MemoryError"), pytest.param("unloadable", "TypeError", marks=SAID)]
)
def test_what_the_parent_cannot_take_from_a_child_ends_the_worker(app, task, error, isolated, caplog):
    """A task that had no memory left, and an exception that Celery leaves alone and pickle cannot load."""
    with Simulation(broker="redis") as sim:
        sim.start_worker(app, isolated=isolated)
        app.tasks[task].delay()
        sim.run()

        assert [event.how for event in sim.trace if isinstance(event, WorkerStopped)] == ["died"]
        assert [m for m in caplog.messages if m.startswith(f"Unrecoverable error: {error}")]


@pytest.mark.parametrize("task", ["greedy", pytest.param("unloadable", marks=SAID)])
def test_without_an_event_loop_the_thread_that_reads_results_ends_the_worker(app, task, caplog):
    with Simulation(broker="memory") as sim:
        sim.start_worker(app)
        app.tasks[task].delay()
        sim.run()

        assert [event.how for event in sim.trace if isinstance(event, WorkerStopped)] == ["died"]
        assert [m for m in caplog.messages if m.startswith("Thread 'ResultHandler' crashed: ")]
