"""Results in Redis: Celery's own backend, its keys and channels; a wait for one drives the simulation."""

from datetime import timedelta

import pytest
from celery import chain, chord, group
from celery.backends.redis import RedisBackend
from celery.exceptions import TaskRevokedError
from celery.exceptions import TimeoutError as ResultTimeout
from redis_apps import START, make_app

from retrysim import Deadlock, Simulation
from retrysim.celery.results import ResultStore


@pytest.fixture(scope="module")
def app():
    return make_app()


@pytest.fixture
def tasks(sim, app):
    sim.start_worker(app, concurrency=2)
    return app.tasks


def test_an_app_with_redis_results_keeps_celerys_redis_backend(sim, app, tasks):
    result = tasks["add"].delay(1, 1)
    sim.run()

    assert isinstance(app.backend, RedisBackend)
    assert sim.broker.client_of(4).exists(f"celery-task-meta-{result.id}") == 1


def test_an_app_with_other_results_gets_the_simulations_own_store():
    app = make_app(backend="cache+memory://")
    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)

        assert isinstance(app.backend, ResultStore)
        assert app.tasks["add"].delay(1, 1).get() == 2


def test_an_app_without_results_has_none():
    app = make_app(backend=None)
    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)
        result = app.tasks["add"].delay(1, 1)
        sim.run()

        assert sim.states == {"SUCCESS": 1}
        with pytest.raises(NotImplementedError):
            result.get()


def test_each_process_has_a_backend_of_its_own(sim, app, tasks):
    with sim.workers[0].inside():
        of_the_worker = app.backend

    assert of_the_worker is not app.backend


def test_a_result_expires_in_virtual_time(sim):
    app = make_app(result_expires=600)
    sim.start_worker(app)
    result = app.tasks["add"].delay(1, 1)
    sim.run()

    sim.run_for("599.999s")
    assert app.AsyncResult(result.id).state == "SUCCESS"
    sim.run_for("1 ms")  # Redis: a key is gone at the instant its time ends
    assert app.AsyncResult(result.id).state == "PENDING"


def test_a_group_is_joined_by_messages(sim, tasks):
    result = group(tasks["lucky"].s(60), tasks["add"].s(1, 2)).delay()

    assert result.get() == ["at last", 3]
    assert sim.elapsed == timedelta(seconds=60)


def test_a_chord_is_counted_in_redis(sim, tasks):
    result = chord([tasks["add"].s(number, 1) for number in range(4)])(tasks["total"].s())

    assert result.get() == 10
    assert sim.elapsed == timedelta(0)


def test_get_of_what_never_comes_is_a_deadlock(tasks, app):
    with pytest.raises(Deadlock) as caught:
        app.AsyncResult("no-such-task").get()
    assert str(caught.value) == (
        "the test waits for the result of task no-such-task, but nothing is left that could bring it"
    )


def test_get_of_a_group_that_never_ends_is_a_deadlock(tasks, app):
    results = app.GroupResult("g", [app.AsyncResult("one"), app.AsyncResult("two")])

    with pytest.raises(Deadlock, match="the test waits for the results of 2 tasks, but nothing is left"):
        results.join_native()


def test_get_of_what_never_comes_times_out_if_told_so(sim, tasks, app):
    with pytest.raises(ResultTimeout):
        app.AsyncResult("no-such-task").get(timeout=7)
    assert sim.elapsed == timedelta(seconds=7)


def test_a_parent_that_fails_is_the_better_reason_than_a_child_that_never_comes(tasks):
    result = chain(tasks["fails"].s(), tasks["add"].s(1)).delay()

    with pytest.raises(ValueError, match="no"):
        result.get()


def test_a_task_that_joins_another_waits_in_virtual_time(sim, app):
    from celery.result import allow_join_result

    @app.task(name="joins", shared=False)
    def joins():
        with allow_join_result():
            return app.tasks["lucky"].delay(60).get()

    sim.start_worker(app, concurrency=2)

    assert app.tasks["joins"].delay().get() == "at last"
    assert sim.elapsed == timedelta(seconds=60)


def test_a_task_that_joins_what_never_comes_is_a_deadlock(sim, app):
    from celery.result import allow_join_result

    @app.task(name="joins_nothing", shared=False)
    def joins_nothing():
        with allow_join_result():
            app.AsyncResult("no-such-task").get()

    sim.start_worker(app)
    app.tasks["joins_nothing"].delay()

    with pytest.raises(Deadlock) as caught:
        sim.run()
    assert str(caught.value) == (
        "no events remain, but joins_nothing[22e1c0c7] is still waiting:\n"
        "  joins_nothing[22e1c0c7] waits for the result of task no-such-task\n"
        '    on celery@worker-1 slot 1001, at test_redis_results.py:137: app.AsyncResult("no-such-task").get()'
    )


def test_a_parent_that_expires_while_its_child_is_waited_for_is_the_reason(tasks):
    parent = tasks["nap"].si(1).set(countdown=0.5, expires=0.3)

    with pytest.raises(TaskRevokedError):
        chain(parent, tasks["add"].si(1, 1)).delay().get()
