"""A worker that is stopped, killed or restarted: at any event, and without running a line more than it would."""

import gc
import time
from datetime import timedelta

import pytest
from celery import Celery

from retrysim import InputError, Simulation, Violation
from retrysim.fakes import Twitter
from retrysim.trace import WorkerReady, WorkerStopped

LINES = []


@pytest.fixture(scope="module")
def app():
    app = Celery("mortal", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="nap", shared=False)
    def nap(seconds):
        LINES.append("begun")
        try:
            time.sleep(seconds)
            LINES.append("done")
        finally:
            LINES.append("finally")

    @app.task(name="lucky", bind=True, shared=False)
    def lucky(self):
        if not self.request.retries:
            raise self.retry(countdown=900)

    @app.task(name="call", shared=False)
    def call():
        import urllib.request

        url = "https://api.twitter.com/1.1/statuses/user_timeline.json?user_id=1&oauth_token=t"
        LINES.append("before the call")
        urllib.request.urlopen(url).read()
        LINES.append("after the call")

    return app


@pytest.fixture(autouse=True)
def no_lines():
    LINES.clear()


@pytest.fixture
def sim():
    with Simulation(start="2020-01-01T12:00:00Z", broker="memory") as simulation:
        yield simulation


def test_no_line_of_a_killed_worker_runs_again(sim, app):
    worker = sim.start_worker(app)
    app.tasks["nap"].delay(60)
    sim.run_for(1)
    worker.kill()
    del worker
    gc.collect()
    sim.run()

    assert LINES == ["begun"]
    assert sim.states == {"STARTED": 1}


def test_a_task_of_a_killed_worker_is_lost_and_the_check_says_so(sim, app):
    worker = sim.start_worker(app)
    app.tasks["nap"].delay(60)
    sim.run_for(1)
    worker.kill()
    sim.run()

    with pytest.raises(Violation) as caught:
        sim.check()
    assert "did not settle: it is STARTED and will stay so" in str(caught.value).splitlines()[0]


@pytest.mark.parametrize("late", [True, False])
def test_of_a_lost_task_is_said_what_is_true_acked_late_or_not(sim, late):
    """kombu's memory transport loses what a dead worker had not acked, too."""
    app = Celery("lost", broker="memory://", set_as_current=False)

    @app.task(name="late", shared=False, acks_late=late)
    def nap():
        time.sleep(60)

    worker = sim.start_worker(app)
    nap.delay()
    sim.run_for(1)
    worker.kill()
    sim.run()

    with pytest.raises(Violation) as caught:
        sim.check()
    assert "ran attempt 1 of it when it was killed" in str(caught.value)
    assert "acked" not in str(caught.value)


def test_a_warm_stop_lets_what_runs_end(sim, app):
    worker = sim.start_worker(app)
    app.tasks["nap"].delay(60)
    sim.run_for(1)
    worker.stop()

    assert LINES == ["begun", "done", "finally"]
    assert sim.elapsed == timedelta(seconds=60)


def test_a_retry_that_waits_in_a_stopped_worker_stays_so_with_the_memory_transport(sim, app):
    worker = sim.start_worker(app)
    result = app.tasks["lucky"].delay()
    sim.run_for(60)
    worker.stop()
    worker.restart()
    sim.run()

    assert sim.task(result.id).state == "RETRY"
    assert [type(event).__name__ for event in sim.trace if type(event) in (WorkerReady, WorkerStopped)] == [
        "WorkerReady",
        "WorkerStopped",
        "WorkerReady",
    ]


def test_a_restarted_worker_takes_up_what_is_in_the_queue(sim, app):
    worker = sim.start_worker(app)
    worker.kill()
    result = app.tasks["nap"].delay(1)
    sim.run()
    assert sim.states == {"PENDING": 1}

    worker.restart()
    sim.run()
    assert sim.task(result.id).state == "SUCCESS"


def test_a_task_nobody_consumes_is_lost_with_its_queue_named(sim, app):
    sim.start_worker(app).kill()
    app.tasks["nap"].delay(1)
    sim.run()

    assert list(sim.trace.lost().values()) == ["it waits in queue 'celery', which nobody consumes"]


def test_the_world_stops_inside_the_call_and_a_kill_there_lets_nothing_after_it_run(sim, app):
    twitter = sim.serve(Twitter())
    worker = sim.start_worker(app)
    app.tasks["call"].delay()

    sim.run(until=twitter.answered("GET /1.1/statuses/user_timeline.json"))
    worker.kill()
    sim.run()

    assert LINES == ["before the call"]
    assert len(twitter.calls) == 1


def test_what_was_stopped_at_an_event_goes_on_with_the_next_run(sim, app):
    twitter = sim.serve(Twitter())
    sim.start_worker(app)
    app.tasks["call"].delay()

    sim.run(until=twitter.answered("GET /1.1/statuses/user_timeline.json"))
    assert LINES == ["before the call"]
    sim.run()
    assert LINES == ["before the call", "after the call"]


def test_a_running_worker_is_not_restarted(sim, app):
    worker = sim.start_worker(app)

    with pytest.raises(InputError, match=r"worker-1 is running: stop\(\) or kill\(\) it before restart\(\)"):
        worker.restart()
