"""What each way of asking for a retry does, also when the retry or the result cannot be sent."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import VERSION, Task, chain, chord, group
from celery.exceptions import SoftTimeLimitExceeded
from semantics_apps import START, make_app

from retrysim import Simulation


class ByClass(Task):
    """Retries that a base class asks for."""

    abstract = True
    autoretry_for = (KeyError,)
    retry_kwargs = {"max_retries": 2, "countdown": 5}  # noqa: RUF012 - as people write it


class BadHooks(Task):
    """Hooks that raise."""

    abstract = True

    def on_retry(self, *_):
        raise RuntimeError("the hook")

    def on_failure(self, *_):
        raise RuntimeError("the hook")


def retrying_app(**config):
    app = make_app(**config)

    def task(name, **options):
        return app.task(name=name, shared=False, bind=True, **options)

    def once(name, **how):
        @task(name)
        def retried_once(self):
            if not self.request.retries:
                raise self.retry(**{key: value() if callable(value) else value for key, value in how.items()})

    once("countdown", countdown=7)
    once("nothing")
    once("negative", countdown=-30)
    once("eta", eta=lambda: datetime.now(UTC) + timedelta(seconds=90))
    once("eta of a naive clock in UTC", eta=lambda: datetime.now() + timedelta(seconds=90))
    once("both", eta=lambda: datetime.now(UTC) + timedelta(seconds=90), countdown=3)

    @task("max_retries")
    def max_retries(self):
        raise self.retry(countdown=1, max_retries=2)

    @task("exc")
    def exc(self):
        raise self.retry(countdown=1, max_retries=1, exc=KeyError("mine"))

    @task("not thrown")
    def not_thrown(self):
        if not self.request.retries:
            self.retry(countdown=10, throw=False)

    @task("by class", base=ByClass)
    def by_class(self):
        raise KeyError("x")

    @task("retry_kwargs", autoretry_for=(KeyError,), retry_kwargs={"max_retries": 2, "countdown": 4})
    def with_retry_kwargs(self):
        raise KeyError("x")

    @task("caught by autoretry", autoretry_for=(Exception,), default_retry_delay=3, retry_backoff=False)
    def caught_by_autoretry(self):
        raise ValueError("x")

    @task("default_retry_delay", default_retry_delay=9, max_retries=1)
    def with_a_delay(self):
        raise self.retry()

    @task("soft limit", soft_time_limit=5, default_retry_delay=3)
    def retried_at_its_limit(self):
        try:
            time.sleep(0 if self.request.retries else 100)
        except SoftTimeLimitExceeded as error:
            raise self.retry(exc=error)

    @task("not for", autoretry_for=(Exception,), dont_autoretry_for=(KeyError,))
    def not_for(self):
        raise KeyError("x")

    @task(
        "backoff", autoretry_for=(ValueError,), retry_backoff=2, retry_jitter=False, max_retries=4, retry_backoff_max=10
    )
    def backoff(self):
        raise ValueError

    @task("on_retry raises", base=BadHooks)
    def on_retry_raises(self):
        if not self.request.retries:
            raise self.retry(countdown=1)

    @task("on_failure raises", base=BadHooks)
    def on_failure_raises(self):
        raise ValueError

    @task("other arguments")
    def other_arguments(self, x, y=0):
        if not self.request.retries:
            raise self.retry(args=(5,), kwargs={"y": 7}, countdown=1)
        return x + y

    @task("third time")
    def third_time(self, value):
        if self.request.retries < 2:
            raise self.retry(countdown=10)
        return value

    @task("gives up")
    def gives_up(self, value=None):
        raise self.retry(countdown=10, max_retries=1, exc=ValueError("no"))

    @app.task(name="note", shared=False)
    def note(*_args):
        return "noted"

    @app.task(name="note error", shared=False)
    def note_error(task_id):
        return task_id

    @task("sleeps first")
    def sleeps_first(self):
        time.sleep(1)
        raise self.retry(countdown=1)

    return app


@pytest.fixture(scope="module")
def app():
    return retrying_app()


@pytest.fixture(params=["memory", "redis"])
def sim(request, app):
    with Simulation(start=START, broker=request.param) as simulation:
        simulation.start_worker(app, concurrency=2)
        yield simulation


# -- how a retry is asked for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "timeline"),
    [
        ("countdown", "RETRY 7s SUCCESS"),
        ("nothing", "RETRY 3m SUCCESS"),
        ("negative", "RETRY SUCCESS"),
        ("eta", "RETRY 1m30s SUCCESS"),
        ("eta of a naive clock in UTC", "RETRY 1m30s SUCCESS"),
        ("both", "RETRY 3s SUCCESS"),
        ("max_retries", "RETRY 1s RETRY 1s FAILURE"),
        ("exc", "RETRY 1s FAILURE"),
        ("not thrown", "SUCCESS 10s SUCCESS"),
        ("by class", "RETRY 5s RETRY 5s FAILURE"),
        ("retry_kwargs", "RETRY 4s RETRY 4s FAILURE"),
        ("caught by autoretry", "RETRY 3s RETRY 3s RETRY 3s FAILURE"),
        ("default_retry_delay", "RETRY 9s FAILURE"),
        ("soft limit", "5s RETRY 3s SUCCESS"),
        ("not for", "FAILURE"),
        ("backoff", "RETRY 2s RETRY 4s RETRY 8s RETRY 10s FAILURE"),
        ("on_retry raises", "FAILURE 1s SUCCESS"),
        ("on_failure raises", "FAILURE"),
    ],
)
def test_a_retry_comes_when_it_was_asked_for(sim, app, name, timeline):
    result = app.tasks[name].delay()
    sim.run()

    assert sim.task(result.id).timeline == timeline


@pytest.mark.parametrize(
    ("name", "exception"),
    [("exc", "KeyError: 'mine'"), ("by class", "KeyError: 'x'"), ("on_failure raises", "RuntimeError: the hook")],
)
def test_a_task_that_gives_up_fails_with_its_own_exception(sim, app, name, exception):
    result = app.tasks[name].delay()
    sim.run()

    assert sim.task(result.id).failure.exception == exception


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_retry_comes_when_it_was_asked_for_in_every_pool(app, pool):
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app, pool=pool)
        results = [app.tasks[name].delay() for name in ("countdown", "eta", "backoff", "not thrown")]
        sim.run()

        assert [sim.task(result.id).timeline for result in results] == [
            "RETRY 7s SUCCESS",
            "RETRY 1m30s SUCCESS",
            "RETRY 2s RETRY 4s RETRY 8s RETRY 10s FAILURE",
            "SUCCESS 10s SUCCESS",
        ]


def test_a_retry_may_have_other_arguments(sim, app):
    assert app.tasks["other arguments"].delay(1).get() == 12


def test_jitter_is_drawn_from_the_seed():
    app, waits = make_app(), []

    @app.task(name="jittered", shared=False, autoretry_for=(ValueError,), retry_backoff=60, max_retries=2)
    def jittered():
        raise ValueError

    for seed in (1, 1, 2):
        with Simulation(start=START, seed=seed, broker="memory") as sim:
            sim.start_worker(app)
            result = app.tasks["jittered"].delay()
            sim.run()
            waits.append(sim.task(result.id).timeline)

    assert waits[0] == waits[1] != waits[2]


# -- in a canvas ------------------------------------------------------------------------------------------------------


def test_a_callback_and_the_rest_of_a_chain_wait_for_the_last_attempt(sim, app):
    result = chain(app.tasks["third time"].s(1), app.tasks["add"].s(2)).apply_async()

    assert result.get() == 3
    assert sim.elapsed == timedelta(seconds=20)


def test_an_errback_is_called_once_when_the_retries_are_over(sim, app):
    app.tasks["gives up"].apply_async(link_error=app.tasks["note error"].s())
    sim.run()

    assert [task.name for task in sim.tasks()] == ["gives up", "note error"]
    assert sim.tasks(name="note error")[0].attempts[0].start_ns - sim.trace.start_ns == 10 * 10**9


def test_a_link_runs_for_each_success_of_a_retry_that_was_not_thrown(sim, app):
    app.tasks["not thrown"].apply_async(link=app.tasks["note"].s())
    sim.run()

    assert len(sim.tasks(name="note")) == 2


def test_a_group_waits_for_its_retried_members(sim, app):
    result = group(app.tasks["third time"].s(1), app.tasks["add"].s(1, 1)).apply_async()

    assert result.get() == [1, 2]
    assert sim.elapsed == timedelta(seconds=20)


def test_a_callback_may_be_retried_and_give_up_itself(sim, app):
    result = app.tasks["add"].apply_async((1, 1), link=[app.tasks["third time"].s(), app.tasks["gives up"].s()])
    sim.run()

    assert result.state == "SUCCESS"
    assert sim.tasks(name="third time")[0].timeline == "RETRY 10s RETRY 10s SUCCESS"
    assert sim.tasks(name="gives up")[0].timeline == "RETRY 10s FAILURE"


def test_an_errback_may_be_retried_itself(sim, app):
    app.tasks["fails"].apply_async(link_error=app.tasks["third time"].s())
    sim.run()

    assert sim.tasks(name="third time")[0].timeline == "RETRY 10s RETRY 10s SUCCESS"


def test_the_body_of_a_chord_may_be_retried(sim, app):
    header = [app.tasks["add"].s(1, 1), app.tasks["add"].s(2, 2)]

    assert chord(header, app.tasks["third time"].s()).delay().get() == [2, 4]
    assert sim.elapsed == timedelta(seconds=20)


def test_a_chain_ends_where_a_member_gives_up_and_its_last_result_says_so(sim, app):
    result = chain(app.tasks["add"].s(1, 1), app.tasks["gives up"].s(), app.tasks["add"].s(2)).apply_async()
    sim.run()

    assert [task.timeline for task in sim.tasks()] == ["SUCCESS", "RETRY 10s FAILURE"]
    assert (result.state, result.parent.state) == ("FAILURE", "FAILURE")


def test_the_body_of_a_chord_fails_when_a_member_gives_up(sim, app):
    header = group(app.tasks["third time"].s(1), app.tasks["gives up"].s())
    result = chord(header, app.tasks["total"].s()).delay()
    sim.run()

    assert result.state == "FAILURE"
    assert sim.tasks(name="total") == []


# -- what a retry needs is not there ----------------------------------------------------------------------------------


def test_a_publish_that_fails_is_tried_again_by_policy(app):
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        fault = sim.broker.fail(retries=1)
        result = app.tasks["countdown"].delay()
        sim.run()

        assert sim.task(result.id).timeline == "RETRY 7s SUCCESS"
        assert sim.broker.concerned(fault) == 2


def play_without_publish(**options):
    app = retrying_app(task_publish_retry=False)
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        sim.broker.fail(retries=1)
        result = app.tasks["countdown"].apply_async(**options)
        sim.run()
        return sim.task(result.id).timeline, result.state


@pytest.mark.skipif(VERSION < (5, 7), reason="Celery 5.7 fails a task whose retry could not be published")
def test_since_5_7_a_retry_that_cannot_be_published_fails_the_task():
    assert play_without_publish() == ("REJECTED FAILURE", "FAILURE")


@pytest.mark.skipif(VERSION >= (5, 5), reason="Celery 5.4 leaves the task without a state")
def test_in_5_4_a_retry_that_cannot_be_published_loses_the_task_in_silence():
    assert play_without_publish() == ("REJECTED", "PENDING")


def test_a_soft_time_limit_during_the_publish_rejects_the_task():
    app = retrying_app(task_publish_retry_policy={"max_retries": 100, "interval_start": 1, "interval_max": 1})
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        result = app.tasks["sleeps first"].apply_async(soft_time_limit=4)
        sim.run_for("0.5s")
        sim.broker.stop()
        sim.run_for("10s")

        assert sim.task(result.id).timeline.split(" ")[:2] == ["4s", "REJECTED"]


@pytest.mark.skipif(VERSION < (5, 7), reason="Celery 5.4 retries for fewer kinds of error")
@pytest.mark.parametrize(
    ("always", "states"), [(True, ("SUCCESS", "SUCCESS")), (False, ("STARTED", "PENDING"))], ids=["always", "once"]
)
def test_a_store_that_is_down_when_success_is_to_be_stored_is_waited_for_if_the_app_says_so(always, states):
    app = retrying_app(result_backend_always_retry=always)
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        result = app.tasks["add"].delay(1, 2)
        sim.results.stop()
        sim.run_for(20)
        assert sim.task(result.id).state == "STARTED"
        sim.results.start()
        sim.run()

        assert (sim.task(result.id).state, result.state) == states


@pytest.mark.skipif(VERSION < (5, 7), reason="Celery 5.4 retries for fewer kinds of error")
@pytest.mark.parametrize(("always", "state"), [(True, "SUCCESS"), (False, "PENDING")])
def test_a_store_that_is_down_when_retry_is_to_be_stored_is_waited_for_if_the_app_says_so(always, state):
    app = retrying_app(result_backend_always_retry=always)
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        result = app.tasks["countdown"].delay()
        sim.results.stop()
        sim.run_for(20)
        assert sim.task(result.id).state == "STARTED"
        sim.results.start()
        sim.run()

        assert result.state == state


@pytest.mark.skipif(VERSION < (5, 7), reason="Celery 5.4 retries for fewer kinds of error")
@pytest.mark.filterwarnings("error")
def test_a_task_whose_state_cannot_be_stored_says_so_where_it_is_lost():
    app = retrying_app(result_backend_always_retry=False)
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        task = sim.task(app.tasks["add"].delay(1, 2).id)
        sim.results.stop()
        sim.run()
        lost = sim.trace.lost()[task.task_id]

    assert lost == (
        "worker-1 ran attempt 1 of it at 12:00:00, and dropped it (its log: 12:00:00 Task add"
        f"[{task.task_id}] raised outside of its body: ConnectionRefusedError: [Errno 111] Connection refused)"
    )
    assert sim.trace.lost()[task.task_id] == lost  # nor is it its worker's end that lost it
