"""Where results are kept, in which form, for how long, and how a test asks for them."""

from datetime import timedelta

import pytest
from celery import Celery, group
from celery.result import ResultSet
from semantics_apps import START, make_app

from retrysim import Simulation


def make_app_with(backend, **config):
    """An app of that result backend, which is played by the simulation's own store unless it is Redis."""
    app = Celery("results", broker="redis://nobody.example/0", backend=backend, set_as_current=False)
    app.conf.update(config)

    @app.task(name="add", shared=False)
    def add(x, y):
        return x + y

    return app


@pytest.fixture(params=["memory", "redis"])
def sim(request):
    with Simulation(start=START, broker=request.param) as simulation:
        yield simulation


# -- how a test asks --------------------------------------------------------------------------------------------------


def test_iterating_a_set_of_results_gives_each_when_it_is_there(sim):
    app = make_app()
    sim.start_worker(app, concurrency=3)
    results = ResultSet([app.tasks["nap"].delay(seconds) for seconds in (3, 1, 2)], app=app)
    came = [(meta["result"], sim.elapsed.total_seconds()) for _, meta in results.iter_native(timeout=10)]

    assert sorted(came) == [(1, 1), (2, 2), (3, 3)]


def test_join_gives_up_after_virtual_seconds(sim):
    from celery.exceptions import TimeoutError as ResultTimeout

    app = make_app()
    sim.start_worker(app)
    result = group(app.tasks["nap"].s(30), app.tasks["nap"].s(30)).apply_async()

    with pytest.raises(ResultTimeout):
        result.join(timeout=10)
    assert sim.elapsed == timedelta(seconds=10)
    assert (result.ready(), result.completed_count(), result.waiting()) == (False, 0, True)
    assert result.join(timeout=100) == [30, 60]
    assert (result.successful(), result.completed_count()) == (True, 2)


def test_what_a_task_raised_is_raised_where_its_result_is_asked_for(sim):
    app = make_app()
    sim.start_worker(app)
    result = app.tasks["fails"].delay("why")

    with pytest.raises(ValueError, match="why"):
        result.get()
    assert result.get(propagate=False).args == ("why",)
    assert "raise ValueError(message)" in result.traceback


def test_a_result_that_is_forgotten_is_pending_again(sim):
    app = make_app()
    sim.start_worker(app)
    result = app.tasks["add"].delay(1, 2)
    sim.run()
    result.forget()

    assert app.AsyncResult(result.id).state == "PENDING"


@pytest.mark.parametrize("where", ["task", "call", "app"])
def test_a_result_that_is_ignored_is_not_kept(sim, where):
    app = make_app(task_ignore_result=where == "app")

    @app.task(name="quiet", shared=False, **({"ignore_result": True} if where == "task" else {}))
    def quiet():
        return 1

    sim.start_worker(app)
    result = app.tasks["quiet"].apply_async(ignore_result=True) if where == "call" else app.tasks["quiet"].delay()
    sim.run()

    assert (sim.task(result.id).state, app.AsyncResult(result.id).state) == ("SUCCESS", "PENDING")


def test_an_error_may_be_kept_of_a_task_whose_result_is_ignored(sim):
    app = make_app(task_ignore_result=True, task_store_errors_even_if_ignored=True)
    sim.start_worker(app)
    wrong, right = app.tasks["fails"].delay(), app.tasks["add"].delay(1, 2)
    sim.run()

    assert [app.AsyncResult(result.id).state for result in (wrong, right)] == ["FAILURE", "PENDING"]


def test_started_is_a_state_if_the_app_says_so(sim):
    app = make_app(task_track_started=True)
    sim.start_worker(app)
    result = app.tasks["nap"].delay(10)
    sim.run_for(5)
    assert result.state == "STARTED"

    sim.run()
    assert result.state == "SUCCESS"


def test_a_task_reports_its_progress(sim):
    app = make_app()

    @app.task(name="reports", shared=False, bind=True)
    def reports(self):
        import time

        for done in (50, 100):
            time.sleep(10)
            self.update_state(state="PROGRESS", meta={"done": done})
        time.sleep(10)

    sim.start_worker(app)
    result = app.tasks["reports"].delay()
    seen = []
    for _ in range(4):
        sim.run_for(8)
        seen.append((result.state, (result.info or {}).get("done")))

    assert seen == [("PENDING", None), ("PROGRESS", 50), ("PROGRESS", 100), ("SUCCESS", None)]


# -- where they are kept ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["cache+memory://", "redis://nobody.example/1"])
def test_results_of_these_backends_expire_in_virtual_time(sim, backend):
    app = make_app_with(backend, result_expires=60)
    sim.start_worker(app)
    result = app.tasks["add"].delay(1, 2)
    assert result.get(timeout=1) == 3
    sim.run_for(59)
    assert app.AsyncResult(result.id).state == "SUCCESS"

    sim.run_for(2)
    assert app.AsyncResult(result.id).state == "PENDING"


def test_an_in_memory_cache_is_one_for_all_workers_and_groups_and_chords_are_counted_in_it(sim):
    from celery import chord

    app = make_app_with("cache+memory://")

    @app.task(name="total", shared=False)
    def total(numbers):
        return sum(numbers)

    for _ in range(2):
        sim.start_worker(app)

    assert group(app.tasks["add"].s(n, n) for n in range(4)).apply_async().get(timeout=1) == [0, 2, 4, 6]
    assert chord([app.tasks["add"].s(n, n) for n in range(4)], total.s())().get(timeout=1) == 12


def test_the_apps_own_cache_is_not_touched(sim):
    from celery.backends.cache import _DUMMY_CLIENT_CACHE

    app = make_app_with("cache+memory://")
    before = dict(_DUMMY_CLIENT_CACHE)
    sim.start_worker(app)
    app.tasks["add"].delay(1, 2).get()

    assert dict(_DUMMY_CLIENT_CACHE) == before


def test_results_in_files_stay_until_beat_has_them_cleaned_up_at_four(tmp_path):
    app = make_app_with(f"file://{tmp_path}", result_expires=3600)
    with Simulation(start=START, broker="memory") as sim:
        sim.start_worker(app)
        sim.start_beat(app)
        result = app.tasks["add"].delay(1, 2)
        sim.run_for("15 hours")
        assert app.AsyncResult(result.id).state == "SUCCESS"

        sim.run_for("2 hours")
        assert app.AsyncResult(result.id).state == "PENDING"
    assert list(tmp_path.iterdir()) == []


# -- in which form ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_a_result_is_what_its_serializer_makes_of_it(sim, serializer):
    accepted = {"accept_content": [serializer], "task_serializer": serializer, "result_serializer": serializer}
    app = make_app(result_accept_content=[serializer], **accepted)

    @app.task(name="twice", shared=False)
    def twice(value):
        return [value, value]

    sim.start_worker(app)
    pair = app.tasks["twice"].delay((1, 2)).get()

    assert pair == ([(1, 2), (1, 2)] if serializer == "pickle" else [[1, 2], [1, 2]])


def test_a_message_in_a_form_that_is_not_accepted_is_refused(sim):
    app = make_app(accept_content=["json"])
    sim.start_worker(app)
    result = app.tasks["add"].apply_async((1, 2), serializer="pickle")
    sim.run()

    assert sim.task(result.id).attempts == []


@pytest.mark.parametrize("extended", [True, False])
def test_an_extended_result_knows_task_arguments_worker_queue_and_retries(sim, extended):
    app = make_app(result_extended=extended)
    sim.start_worker(app)
    result = app.tasks["add"].delay(1, y=2)
    sim.run()

    known = (result.name, result.args, result.kwargs, result.worker, result.retries, result.queue)
    assert known == (("add", [1], {"y": 2}, "celery@worker-1", 0, "celery") if extended else (None,) * 6)
    assert result.date_done == sim.now.replace(tzinfo=result.date_done.tzinfo)
