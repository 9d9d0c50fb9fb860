"""The face in Python: a worker, an eager run, time, results, and what a person reads when something is wrong."""

import logging
import os
import re
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery, bootsteps
from celery.exceptions import TimeoutError as ResultTimeout

from retrysim import Deadlock, InputError, Limits, Runaway, Simulation, Violation
from retrysim.errors import AppError

START = "2015-08-03T12:00:00Z"


@pytest.fixture(scope="module")
def app():
    app = Celery("face", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="flaky", shared=False, bind=True)
    def flaky(self, countdown, max_retries=3):
        raise self.retry(countdown=countdown, exc=ValueError("not today"), max_retries=max_retries)

    @app.task(name="second_time_lucky", shared=False, bind=True)
    def second_time_lucky(self):
        if not self.request.retries:
            raise self.retry(countdown=900)
        return "at last"

    @app.task(name="nap", shared=False)
    def nap(seconds):
        time.sleep(seconds)
        return time.time()

    @app.task(name="forever", shared=False, bind=True, max_retries=None)
    def forever(self):
        raise self.retry(countdown=60)

    @app.task(name="stuck", shared=False)
    def stuck():
        threading.Event().wait()

    @app.task(name="asks_another", shared=False)
    def asks_another():
        return add.delay(1, 1).get()

    return app


@pytest.fixture
def sim():
    with Simulation(start=START) as simulation:
        yield simulation


@pytest.fixture(params=["worker", "eager"])
def running(request, sim, app):
    if request.param == "worker":
        sim.start_worker(app, concurrency=2)
    else:
        sim.run_eagerly(app)
    return app.tasks


def test_a_retry_starts_at_exactly_its_countdown(sim, running):
    result = running["second_time_lucky"].delay()
    sim.run()

    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"
    assert sim.states == {"SUCCESS": 1}
    assert sim.elapsed == timedelta(minutes=15)
    assert sim.now == datetime(2015, 8, 3, 12, 15, tzinfo=UTC)


def test_max_retries_ends_in_failure_with_the_original_exception(sim, running):
    result = running["flaky"].delay(2)
    sim.run()

    task = sim.task(result.id)
    assert task.timeline == "RETRY 2s RETRY 2s RETRY 2s FAILURE"
    assert [attempt.start_ns - sim.trace.start_ns for attempt in task.attempts] == [0, 2 * 10**9, 4 * 10**9, 6 * 10**9]
    assert task.failure.exception == "ValueError: not today"


def test_get_drives_the_simulation(sim, running):
    assert running["second_time_lucky"].delay().get() == "at last"
    assert sim.elapsed == timedelta(minutes=15)


def test_get_times_out_after_virtual_seconds(sim, app):
    sim.start_worker(app)

    with pytest.raises(ResultTimeout):
        app.tasks["nap"].delay(60).get(timeout=5)
    assert sim.elapsed == timedelta(seconds=5)


def test_get_of_what_never_comes_is_a_deadlock(sim, app):
    sim.start_worker(app)

    with pytest.raises(Deadlock) as caught:
        app.AsyncResult("no-such-task").get()
    assert str(caught.value) == (
        "the test waits for the result of task no-such-task, but nothing is left that could bring it"
    )


def test_get_inside_a_task_raises_as_in_production(sim, app):
    sim.start_worker(app)
    result = app.tasks["asks_another"].delay()
    sim.run()

    assert sim.task(result.id).failure.exception.startswith("RuntimeError: Never call result.get() within a task!")


def test_as_many_tasks_run_at_once_as_the_worker_has_slots(sim, app):
    sim.start_worker(app, concurrency=2)
    results = [app.tasks["nap"].delay(10) for _ in range(5)]
    sim.run()

    assert [result.get() - 1438603200 for result in results] == [10, 10, 20, 20, 30]


def test_sleep_in_the_test_lets_the_simulation_run(sim, app):
    sim.start_worker(app)
    result = app.tasks["nap"].delay(10)

    time.sleep(4)
    assert (sim.elapsed, sim.task(result.id).state) == (timedelta(seconds=4), "STARTED")
    time.sleep(6)
    assert (sim.elapsed, sim.task(result.id).state) == (timedelta(seconds=10), "SUCCESS")


def test_run_for_and_run_until_stop_at_their_instant(sim, app):
    sim.start_worker(app)
    result = app.tasks["second_time_lucky"].delay()

    sim.run_for("14 minutes 59 seconds")
    assert sim.task(result.id).state == "RETRY"
    sim.run(until=datetime(2015, 8, 3, 12, 15, tzinfo=UTC))
    assert sim.task(result.id).state == "SUCCESS"


def test_run_until_a_condition_stops_when_it_holds(sim, app):
    sim.start_worker(app)
    result = app.tasks["flaky"].delay(60)

    sim.run(until=lambda: len(sim.task(result.id).attempts) == 2)

    assert sim.elapsed == timedelta(minutes=1)


def test_log_records_carry_virtual_time(sim, app, caplog):
    caplog.set_level(logging.INFO, logger="celery.app.trace")
    sim.start_worker(app)
    app.tasks["second_time_lucky"].delay()
    sim.run()

    assert [(r.created - 1438603200, r.getMessage().partition("]")[2]) for r in caplog.records] == [
        (0.0, " retry: Retry in 900s"),
        (900.0, " succeeded in 0.0s: 'at last'"),
    ]


def test_a_worker_is_a_context_manager_that_ends_in_a_warm_shutdown(sim, app):
    with sim.start_worker(app) as worker:
        app.tasks["nap"].delay(30)
        sim.run_for(1)
    assert sim.elapsed == timedelta(seconds=30)
    assert [event.kind for event in sim.trace][-1] == "worker-stopped"
    assert worker.running == []


# -- what is wrong is said ---------------------------------------------------------------------------------------------


def test_a_task_that_waits_for_what_never_comes_is_a_deadlock(sim, app):
    sim.start_worker(app)
    app.tasks["stuck"].delay()

    with pytest.raises(Deadlock) as caught:
        sim.run()
    assert str(caught.value) == (
        "no events remain, but stuck[22e1c0c7] is still waiting:\n"
        "  stuck[22e1c0c7] waits for a threading.Condition to be notified"
        " (a threading.Lock made at test_simulation_face.py:51), in threading.Event.wait\n"
        "    on celery@worker-1 slot 1001, at test_simulation_face.py:51: threading.Event().wait()"
    )


def test_a_task_that_never_stops_retrying_is_a_runaway_that_names_it(app):
    with Simulation(limits=Limits(attempts_per_task=50)) as sim:
        sim.start_worker(app)
        result = app.tasks["forever"].delay()

        with pytest.raises(Runaway) as caught:
            sim.run()
    assert str(caught.value) == (
        f"forever[{result.id[:8]}] was attempted 50 times and does not settle: its retries, or deliveries, have no end\n"
        "If that is meant, allow more: Simulation(limits={'attempts_per_task': ...}), "
        "`limits: {attempts_per_task: ...}` in a scenario file, "
        "or `limits = {attempts_per_task = ...}` under [tool.retrysim]"
    )


def test_check_shows_every_invariant_that_does_not_hold(sim, app):
    sim.start_worker(app)
    app.tasks["flaky"].delay(2)
    app.tasks["flaky"].delay(2)
    sim.run()

    with pytest.raises(Violation) as caught:
        sim.check()
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("ended in FAILURE after 4 attempts: ValueError: not today")
    assert lines[0].startswith("no_task_fails: ")
    assert lines[2] == "  timeline  RETRY 2s RETRY 2s RETRY 2s FAILURE"
    assert lines[-3:] == ["  and 1 more like it", "", "replay: Simulation(seed=0)"]


def test_check_of_a_run_without_tasks_is_vacuous(sim, app):
    sim.start_worker(app)
    sim.run()

    with pytest.raises(Violation) as caught:
        sim.check()
    assert str(caught.value).splitlines()[0] == (
        "every_task_settles: vacuous: the run had no task to judge, so this says nothing"
    )


def test_two_workers_of_one_name_are_refused(sim, app):
    sim.start_worker(app, name="mail")

    with pytest.raises(InputError) as caught:
        sim.start_worker(app, name="mail")
    assert str(caught.value) == "there is a worker 'mail' already: give the second another name"


def test_a_worker_beside_an_eager_run_is_refused(sim, app):
    sim.run_eagerly(app)

    with pytest.raises(InputError, match="tasks of this simulation run eagerly: a worker would have nothing to do"):
        sim.start_worker(app)


def test_always_eager_is_switched_off_with_a_note(sim, app, monkeypatch):
    monkeypatch.setitem(app.conf, "task_always_eager", True)
    sim.start_worker(app)

    result = app.tasks["second_time_lucky"].delay()
    sim.run()

    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"
    assert "face: task_always_eager = True is switched off, as in production" in sim.notes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": "2015-08-03T12:00:00"}, "has no time zone: write 2015-08-03T12:00:00Z for UTC, or an offset"),
        ({"start": "yesterday"}, "'yesterday' is no instant: expected ISO 8601 with a zone"),
    ],
)
def test_a_start_that_is_no_instant_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Simulation(**settings)


def test_an_app_that_is_none_is_refused(sim):
    with pytest.raises(AppError) as caught:
        sim.start_worker(42)
    assert str(caught.value) == (
        '42 is no Celery app but a int: expected an app, or what `celery -A` takes, such as "proj" or "proj.celery:app"'
    )


def test_a_worker_has_at_least_one_slot(sim, app):
    with pytest.raises(InputError, match="concurrency=0: a worker has at least one pool process"):
        sim.start_worker(app, concurrency=0)


def test_an_option_that_celery_would_take_silently_is_refused(sim, app):
    with pytest.raises(InputError, match="no option 'concurency'; did you mean 'concurrency'"):
        sim.start_worker(app, concurency=4)


def test_a_boot_step_of_the_app_may_have_options_of_its_own(sim):
    given = []

    class Step(bootsteps.StartStopStep):
        def __init__(self, parent, colour=None, **kwargs):
            given.append(colour)
            super().__init__(parent, **kwargs)

    app = Celery("steps", broker="redis://nobody.example/0", set_as_current=False)
    app.steps["worker"].add(Step)

    sim.start_worker(app, colour="red")

    assert given == ["red"]


def test_an_unknown_task_id_is_refused(sim, app):
    with pytest.raises(InputError, match="no task 'x' in this run: 0 others were sent"):
        sim.task("x")


def test_the_name_of_a_task_is_not_its_id(sim, app):
    sim.start_worker(app)
    add = app.tasks["add"]
    add.delay(1, 2)

    for asked in ("add", add):
        with pytest.raises(InputError, match=re.escape("is none: did you mean sim.tasks(name='add')?")):
            sim.task(asked)


def test_a_task_that_the_worker_does_not_know_is_named_with_the_nearest(sim, app):
    sim.start_worker(app)
    app.send_task("addd")
    sim.run()

    (message,) = sim.tasks()
    assert message.timeline == "REJECTED"
    with pytest.raises(Violation) as caught:
        sim.check()
    said = " ".join(str(caught.value).split())
    assert "the worker has no task 'addd'; did you mean 'add'?" in said


@pytest.mark.parametrize(
    ("given", "hint"), [("no_task_fail", "; did you mean 'no_task_fails'?"), (42, ""), (None, "")], ids=str
)
def test_what_is_no_invariant_is_refused(sim, app, given, hint):
    with pytest.raises(InputError) as caught:
        sim.check(given)
    assert str(caught.value) == f"sim.check takes invariants, such as no_task_fails; got {given!r}{hint}"


# -- everything is given back ------------------------------------------------------------------------------------------


def _state_of(app):
    return {
        "broker": app.conf.broker_url,
        "layers": len(app.conf.maps),
        "changes": dict(app.conf.changes),
        "backend": type(app.backend).__name__,
        "amqp": id(app.amqp),
        "environ": {name: value for name, value in os.environ.items() if name.startswith("CELERY")},
        "current": app.conf is not None and app._pool,
        "traces": Counter(type(task.__trace__).__name__ for task in app.tasks.values()),
        "sleep": time.sleep,
    }


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_the_app_is_given_back_after_success_failure_and_interrupt(app, monkeypatch, error):
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://elsewhere.example/9")
    before = _state_of(app)

    def run():
        with Simulation() as sim:
            sim.start_worker(app)
            app.tasks["nap"].delay(1000)
            sim.run_for(1)
            if error:
                raise error

    if error:
        with pytest.raises(error):
            run()
    else:
        run()

    assert _state_of(app) == before


def test_simulations_one_after_the_other_do_not_see_each_other(app):
    ids = []
    for _ in range(2):
        with Simulation(start=START) as sim:
            sim.start_worker(app)
            results = [app.tasks["second_time_lucky"].delay() for _ in range(3)]
            sim.run_for(60)
            ids.append([result.id for result in results])
            assert sim.states == {"RETRY": 3}
    with Simulation(start=START) as sim:
        sim.start_worker(app)
        sim.run()
        assert sim.states == {}

    assert ids[0] == ids[1]


def test_a_simulation_is_used_once(sim):
    with pytest.raises(InputError, match="this simulation has begun already; a simulation is used once"):
        sim.__enter__()


def test_a_simulation_that_has_not_begun_says_so(app):
    with pytest.raises(InputError, match="the simulation has not begun"):
        Simulation().start_worker(app)


def test_simulations_leave_no_file_descriptor_open():
    def open_descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    app = Celery("descriptors", set_as_current=False)
    before = open_descriptors()
    for broker in ("memory", "redis"):
        with Simulation(broker=broker) as sim:
            sim.start_worker(app)
            sim.run()

    assert open_descriptors() == before
