"""Copies of one message that run side by side: which of them an event, a call and a bar in a report belong to."""

import time

import pytest
import requests
from celery import VERSION as CELERY
from redis_apps import make_app

from retrysim.fakes import API
from retrysim.invariants import no_two_attempts_overlap
from retrysim.reports.lanes import lanes_of
from retrysim.trace import ApiCalled, TaskFailed, TaskRevoked

GEVENT = pytest.param(
    "gevent",
    marks=pytest.mark.skipif(
        CELERY < (5, 7), reason="before Celery 5.7 this pool ends no task, nor says that it failed"
    ),
)


@pytest.fixture(scope="module")
def app():
    app = make_app(broker_transport_options={"visibility_timeout": 50})

    @app.task(name="slow", acks_late=True, bind=True, max_retries=None, shared=False)
    def slow(self, *seconds):
        """The n-th copy sleeps for the n-th of the seconds."""
        self.app.begun = getattr(self.app, "begun", 0) + 1
        nap = seconds[self.app.begun - 1]
        time.sleep(nap)
        requests.get(f"https://api.example/after/{nap}")
        return nap

    return app


@pytest.fixture(autouse=True)
def _none_has_begun(app):
    app.begun = 0


def spans(sim, result):
    start_ns = sim.trace.start_ns
    return [
        (a.number, a.worker, (a.start_ns - start_ns) // 10**9, (a.end_ns - start_ns) // 10**9, a.state)
        for a in sim.task(result.id).attempts
    ]


def test_each_copy_of_a_task_that_outlives_the_visibility_timeout_ends_as_itself(sim, app):
    sim.serve(API("https://api.example", limit="10 per minute"))
    sim.start_worker(app, concurrency=2)
    sim.start_worker(app, concurrency=2)
    result = app.tasks["slow"].delay(250, 130, 20)
    sim.run()

    copies = spans(sim, result)
    workers = {number: worker for number, worker, *_ in copies}
    assert [(number, start, end, state) for number, _, start, end, state in copies] == [
        (1, 0, 250, "SUCCESS"),
        (2, 100, 230, "SUCCESS"),
        (3, 200, 220, "SUCCESS"),
    ]
    assert [(call.attempt, call.endpoint) for call in sim.trace.of(ApiCalled)] == [
        (3, "GET /after/20"),
        (2, "GET /after/130"),
        (1, "GET /after/250"),
    ]
    lengths = {bar.attempt: (bar.end.at_ns - bar.start.at_ns) // 10**9 for bar in lanes_of(sim.trace).bars}
    assert lengths == {1: 250, 2: 130, 3: 20}
    assert [problem.text for problem in no_two_attempts_overlap(sim.trace).problems] == [
        f"slow[{result.id[:8]}] began attempt {n} on {workers[n]} at {at}, while attempt 1 ran on {workers[1]} until 12:04:10"
        for n, at in ((2, "12:01:40"), (3, "12:03:20"))
    ]


@pytest.mark.parametrize("doomed", [1, 2])
def test_a_lost_pool_process_ends_the_copy_that_it_ran(sim, app, doomed):
    sim.serve(API("https://api.example", limit="10 per minute"))
    first, second = sim.start_worker(app, concurrency=2), sim.start_worker(app, concurrency=2)
    result = app.tasks["slow"].delay(250, 140)
    sim.run_for(150)
    worker = sim.task(result.id).attempts[doomed - 1].worker
    {first.name: first, second.name: second}[worker].kill_child(result.id)
    sim.run()

    assert [event.attempt for event in sim.trace.of(TaskFailed)] == [doomed]
    states = {number: state for number, *_, state in spans(sim, result)}
    assert states == {1: "SUCCESS", 2: "SUCCESS"} | {doomed: "FAILURE"}


def test_a_revoked_message_whose_body_never_ran_ends_no_attempt(sim, app):
    sim.serve(API("https://api.example", limit="10 per minute"))
    sim.start_worker(app)
    app.tasks["slow"].delay(30, 30)
    waiting = app.tasks["slow"].delay(30, 30)
    sim.run_for(5)
    waiting.revoke()
    sim.run()

    assert [(event.task_id, event.attempt) for event in sim.trace.of(TaskRevoked)] == [(waiting.id, None)]


@pytest.mark.parametrize("pool", ["prefork", GEVENT])
def test_a_terminated_task_ends_the_attempt_that_ran(sim, app, pool):
    sim.start_worker(app, pool=pool)
    result = app.tasks["slow"].delay(30)
    sim.run_for(5)
    result.revoke(terminate=True)
    sim.run()

    assert [event.attempt for event in sim.trace.of(TaskRevoked)] == [1]
    assert spans(sim, result) == [(1, "worker-1", 0, 5, "REVOKED")]


@pytest.mark.parametrize("pool", ["prefork", GEVENT])
def test_a_time_limit_ends_the_attempt_that_it_struck(sim, app, pool):
    sim.start_worker(app, concurrency=2, pool=pool)
    result = app.tasks["slow"].apply_async((30,), time_limit=7)
    sim.run()

    assert sim.trace.of(TaskFailed)[0].attempt == 1  # from Celery 5.7 on there is a second one, of no attempt
    assert spans(sim, result) == [(1, "worker-1", 0, 7, "FAILURE")]
