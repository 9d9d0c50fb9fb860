"""When a task may start, and when it must have ended."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import requests
from celery import VERSION
from celery.exceptions import SoftTimeLimitExceeded
from semantics_apps import START, make_app, starts_of

from retrysim import Simulation
from retrysim.fakes import API

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def app():
    return make_app()


@pytest.fixture(params=["memory", "redis"])
def sim(request, app):
    with Simulation(start=START, broker=request.param) as simulation:
        simulation.start_worker(app)
        yield simulation


@pytest.mark.parametrize(
    ("options", "starts"),
    [
        ({"countdown": 0.25}, [0.25]),
        ({"countdown": -5}, [0]),
        ({"eta": NOON + timedelta(seconds=90)}, [90]),
        ({"eta": NOON.astimezone(timezone(timedelta(hours=5, minutes=30))) + timedelta(seconds=90)}, [90]),
        ({"eta": datetime(2020, 1, 1, 12, 1, 30)}, [90]),
        ({"eta": NOON - timedelta(days=1)}, [0]),
        ({"eta": "2020-01-01T12:01:30+00:00"}, [90]),
        ({"eta": "2020-01-01T14:01:30+02:00"}, [90]),
        ({"eta": "2020-01-01T12:01:30"}, [90]),
        ({"countdown": 10, "expires": 5}, []),
        ({"countdown": 10, "expires": 10}, []),
        ({"countdown": 10, "expires": 10.001}, [10]),
        ({"countdown": 10, "expires": 15}, [10]),
        ({"expires": NOON + timedelta(seconds=1)}, [0]),
        ({"expires": NOON - timedelta(seconds=1)}, []),
        ({"countdown": 10, "expires": "2020-01-01T12:00:05+00:00"}, []),
        ({"countdown": 10, "expires": "2020-01-01T12:00:15+00:00"}, [10]),
    ],
)
def test_a_task_starts_when_it_was_said_to_or_not_at_all(sim, app, options, starts):
    app.tasks["now"].apply_async(**options)
    sim.run()

    assert starts_of(sim) == starts


@pytest.mark.parametrize("enable_utc", [True, False])
@pytest.mark.parametrize("start", ["2026-03-08T01:30:00-05:00", "2026-11-01T00:30:00-04:00"])
def test_a_countdown_over_the_change_of_the_clocks_is_elapsed_time(start, enable_utc):
    app = make_app(timezone="America/New_York", enable_utc=enable_utc)
    with Simulation(start=start, broker="memory") as sim:
        sim.start_worker(app)
        app.tasks["now"].apply_async(countdown=3600, expires=3700)
        sim.run()

        assert starts_of(sim) == [3600]


def starts_over_the_change(start, **options):
    """Of a task that is sent to wait two hours, and of a retry that does."""
    app = make_app(timezone="America/New_York")

    @app.task(name="retried", shared=False, bind=True)
    def retried(self):
        if not self.request.retries:
            raise self.retry(countdown=7200)

    with Simulation(start=start, broker="memory") as sim:
        sim.start_worker(app, concurrency=2)
        sent, again = app.tasks["now"].apply_async(countdown=7200, **options), retried.delay()
        sim.run()
        return starts_of(sim, sent.id), starts_of(sim, again.id)


@pytest.mark.skipif(VERSION < (5, 7), reason="Celery 5.7 counts elapsed time")
@pytest.mark.parametrize("start", ["2026-03-08T01:30:00-05:00", "2026-11-01T00:30:00-04:00"])
def test_since_5_7_a_countdown_of_hours_over_the_change_is_elapsed_time(start):
    assert starts_over_the_change(start, expires=7201) == ([7200], [0, 7200])


@pytest.mark.skipif(VERSION >= (5, 5), reason="Celery 5.4 counts by the clock on the wall")
@pytest.mark.parametrize(
    ("start", "seconds"), [("2026-03-08T01:30:00-05:00", 3600), ("2026-11-01T00:30:00-04:00", 10800)]
)
def test_in_5_4_a_countdown_of_hours_over_the_change_is_time_by_the_clock_on_the_wall(start, seconds):
    assert starts_over_the_change(start) == ([seconds], [0, seconds])


@pytest.mark.parametrize("enable_utc", [True, False])
def test_a_naive_eta_is_utc_whatever_the_zone_of_the_app(enable_utc):
    app = make_app(timezone="America/New_York", enable_utc=enable_utc)
    with Simulation(start=START, broker="memory") as sim:
        sim.start_worker(app)
        app.tasks["now"].apply_async(eta=datetime(2020, 1, 1, 12, 1))
        sim.run()

        assert starts_of(sim) == [60]


def test_tasks_that_are_due_at_one_instant_start_in_the_order_in_which_they_were_sent(sim, app):
    sent = [app.tasks["now"].apply_async(countdown=60).id for _ in range(5)]
    sim.run()

    assert [event.task_id for event in sim.trace if event.kind == "task-started"] == sent


@pytest.mark.parametrize("how", ["sleep", "get", "event", "call"])
def test_a_soft_limit_ends_whatever_the_body_waits_for(how):
    import threading

    app = make_app()
    waits = {
        "sleep": lambda: time.sleep(100),
        "get": lambda: app.AsyncResult("nobody").get(disable_sync_subtasks=False),
        "event": lambda: threading.Event().wait(100),
        "call": lambda: requests.get("https://slow.example/", timeout=200),
    }

    @app.task(name="waits", shared=False)
    def waits_until_the_limit():
        try:
            waits[how]()
        except SoftTimeLimitExceeded:
            return "ended"

    with Simulation(start=START, broker="memory") as sim:
        sim.serve(API("https://slow.example", latency="100s"))
        sim.start_worker(app)
        result = app.tasks["waits"].apply_async(soft_time_limit=30)
        sim.run()

        assert result.get() == "ended"
        assert sim.elapsed == timedelta(seconds=30)


@pytest.mark.parametrize("how", ["sleep", "call"])
def test_a_hard_limit_ends_it_by_sigterm_so_that_finally_runs(how):
    app = make_app()
    waits = {"sleep": lambda: time.sleep(100), "call": lambda: requests.get("https://slow.example/", timeout=200)}
    lines = []

    @app.task(name="waits", shared=False, time_limit=30)
    def waits_until_the_limit():
        try:
            waits[how]()
        finally:
            lines.append(time.monotonic())
            time.sleep(0.2)
            lines.append("ran on")  # never: after 0.1 s comes SIGKILL

    with Simulation(start=START, broker="redis") as sim:
        sim.serve(API("https://slow.example", latency="100s"))
        sim.start_worker(app)
        result = app.tasks["waits"].delay()
        sim.run()

        assert sim.task(result.id).timeline.startswith("30s FAILURE")
        assert (sim.elapsed, len(lines)) == (timedelta(seconds=30.1), 1)
        assert app.tasks["nap"].delay(1).get() == 31.2


def test_a_rate_limit_holds_for_retries_too():
    app = make_app()

    @app.task(name="limited", shared=False, bind=True, rate_limit="6/m")
    def limited(self):
        if not self.request.retries:
            raise self.retry(countdown=1)

    with Simulation(start=START, broker="memory") as sim:
        sim.start_worker(app)
        for _ in range(2):
            app.tasks["limited"].delay()
        sim.run()

        assert starts_of(sim) == [0, 10, 20, 30]
