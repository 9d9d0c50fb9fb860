"""Remote control, results, queues and canvas: what a test or an operator asks of workers, and what they tell."""

from datetime import timedelta

import pytest
from celery import VERSION, chord, group
from celery.exceptions import TimeoutError as ResultTimeout
from semantics_apps import START, make_app, starts_of

from retrysim import Simulation


@pytest.fixture
def app():
    return make_app()


@pytest.fixture(params=["prefork", "threads", "gevent"])
def sim(request, app):
    app.conf.worker_pool = request.param
    with Simulation(start=START, broker="redis") as simulation:
        yield simulation


# -- control ----------------------------------------------------------------------------------------------------------


def test_inspect_says_what_runs_what_waits_and_what_is_known(sim, app):
    sim.start_worker(app, concurrency=1)
    running, scheduled = app.tasks["nap"].delay(100), app.tasks["now"].apply_async(countdown=60)
    sim.run_for(1)
    inspect = app.control.inspect(timeout=1)

    assert [task["id"] for task in inspect.active()["celery@worker-1"]] == [running.id]
    assert [entry["request"]["id"] for entry in inspect.scheduled()["celery@worker-1"]] == [scheduled.id]
    assert "nap" in inspect.registered()["celery@worker-1"]
    assert [queue["name"] for queue in inspect.active_queues()["celery@worker-1"]] == ["celery"]
    assert inspect.query_task(running.id)["celery@worker-1"][running.id][0] == "active"


def test_a_rate_limit_can_be_changed_while_the_worker_runs(sim, app):
    sim.start_worker(app)
    answer = app.control.rate_limit("now", "6/m", reply=True, timeout=1)
    for _ in range(3):
        app.tasks["now"].delay()
    sim.run()
    starts = starts_of(sim)

    assert answer == [{"celery@worker-1": {"ok": "new rate limit set successfully"}}]
    assert starts[2] - starts[1] == 10


def test_a_queue_can_be_added_and_cancelled_while_the_worker_runs(sim, app):
    sim.start_worker(app)
    app.control.add_consumer("late", reply=True, timeout=1)
    app.control.cancel_consumer("celery", reply=True, timeout=1)
    here, there = app.tasks["add"].apply_async((1, 2), queue="late"), app.tasks["add"].delay(1, 2)
    sim.run()

    assert sim.task(here.id).state == "SUCCESS"
    assert sim.broker.waiting() == {"celery": [there.id]}


def test_a_task_is_revoked_by_a_stamped_header(sim, app):
    sim.start_worker(app)
    signature = app.tasks["now"].si().set(countdown=60)
    signature.stamp(tenant="acme")
    revoked, other = signature.apply_async(), app.tasks["now"].apply_async(countdown=60)
    sim.run_for(1)
    app.control.revoke_by_stamped_headers({"tenant": ["acme"]}, reply=True, timeout=1)
    sim.run()

    assert (sim.task(revoked.id).state, sim.task(other.id).state) == ("REVOKED", "SUCCESS")


def test_a_worker_can_be_shut_down_from_afar(sim, app):
    worker = sim.start_worker(app)
    app.control.shutdown()
    sim.run_for(5)

    assert worker.stopped


@pytest.mark.skipif(VERSION < (5, 5), reason="since Celery 5.5")
def test_a_greenlet_can_be_terminated_as_a_process_can():
    app = make_app(worker_pool="gevent")
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        result = app.tasks["nap"].delay(100)
        sim.run_for(10)
        result.revoke(terminate=True)
        sim.run()

        assert sim.elapsed == timedelta(seconds=10)


# -- results ----------------------------------------------------------------------------------------------------------


def test_get_drives_the_simulation_with_a_timeout_in_virtual_seconds(sim, app):
    sim.start_worker(app)
    result = app.tasks["nap"].delay(100)

    with pytest.raises(ResultTimeout):
        result.get(timeout=30)

    assert sim.elapsed == timedelta(seconds=30)
    assert result.get(timeout=100) == 100


def test_join_and_iterate_give_the_results_of_a_group(sim, app):
    sim.start_worker(app, concurrency=3)
    result = group(app.tasks["nap"].s(seconds) for seconds in (3, 1, 2)).apply_async()

    assert sorted(meta["result"] for _, meta in result.iter_native(timeout=10)) == [1, 2, 3]
    assert result.join() == [3, 1, 2]


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_arguments_and_results_go_through_the_serializer(serializer):
    pytest.importorskip(serializer)
    accepted = {"accept_content": [serializer], "task_serializer": serializer, "result_serializer": serializer}
    app = make_app(result_accept_content=[serializer], **accepted)
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)

        assert app.tasks["add"].delay([1], [2]).get() == [1, 2]


def test_an_extended_result_knows_its_task(sim):
    app = make_app(result_extended=True)
    sim.start_worker(app)
    result = app.tasks["add"].delay(1, 2)
    sim.run()

    assert (result.name, result.args, result.worker) == ("add", [1, 2], "celery@worker-1")


def test_a_result_that_expires_is_gone_in_virtual_time(sim):
    app = make_app(result_expires=60)
    sim.start_worker(app)
    result = app.tasks["add"].delay(1, 2)
    sim.run()
    assert result.status == "SUCCESS"

    sim.run_for(61)
    assert app.AsyncResult(result.id).status == "PENDING"


# -- queues and canvas ------------------------------------------------------------------------------------------------


def test_tasks_go_to_the_worker_of_the_queue_that_they_are_routed_to(sim):
    app = make_app(task_routes={"add": {"queue": "maths"}, "t*": "totals"})
    sim.start_worker(app, name="first", queues=["maths"])
    sim.start_worker(app, name="second", queues=["totals"])
    added, summed = app.tasks["add"].delay(1, 2), app.tasks["total"].delay([1, 2])
    sim.run()

    assert [sim.task(task.id).attempts[0].worker for task in (added, summed)] == ["first", "second"]


def test_a_message_of_higher_priority_is_taken_first():
    app = make_app(broker_transport_options={"queue_order_strategy": "priority", "priority_steps": [0, 5, 9]})
    with Simulation(start=START, broker="redis") as sim:
        worker = sim.start_worker(app, prefetch_multiplier=1)
        worker.stop()
        sent = {priority: app.tasks["nap"].apply_async((1,), priority=priority).id for priority in (9, 5, 0)}
        worker.restart()
        sim.run()

        started = [event.task_id for event in sim.trace if event.kind == "task-started"]
        assert started == [sent[0], sent[5], sent[9]]


def test_map_starmap_chunks_and_nested_chords(sim, app):
    add, total = app.tasks["add"], app.tasks["total"]
    sim.start_worker(app, concurrency=2)

    assert total.map([[1, 2], [3, 4]]).apply_async().get() == [3, 7]
    assert add.starmap([(1, 2), (3, 4)]).apply_async().get() == [3, 7]
    assert add.chunks([(1, 2), (3, 4), (5, 6)], 2).apply_async().get() == [[3, 7], [11]]
    inner = chord([add.s(1, 1), add.s(2, 2)], total.s())
    assert chord([inner, add.s(3, 3)], total.s())().get() == 12


def test_replace_hands_the_rest_of_the_chain_over(sim, app):
    @app.task(name="replaced", shared=False, bind=True)
    def replaced(self, number):
        raise self.replace(app.tasks["add"].si(number, 10))

    sim.start_worker(app)

    assert (app.tasks["replaced"].s(1) | app.tasks["add"].s(100)).delay().get() == 111


def test_an_error_in_the_body_of_a_chord_is_the_chords(sim, app):
    sim.start_worker(app)
    result = chord([app.tasks["add"].s(1, 1)], app.tasks["fails"].si("the body"))()

    with pytest.raises(ValueError, match="the body"):
        result.get()
