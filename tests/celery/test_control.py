"""Remote control, results, queues and canvas: what a test or an operator asks of workers, and what they tell."""

from datetime import timedelta

import celery
import pytest
from celery import VERSION, Celery, chord, group, signals
from celery.exceptions import TimeoutError as ResultTimeout
from semantics_apps import START, make_app, starts_of

from retrysim import Simulation

pytestmark = pytest.mark.filterwarnings("ignore:[\\s]*The worker_pool setting")  # gevent's, which nothing here minds


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


def test_a_worker_that_is_shut_down_from_afar_while_busy_lets_what_runs_end(sim, app):
    worker = sim.start_worker(app, concurrency=2)
    running, waits = app.tasks["nap"].delay(60), app.tasks["now"].apply_async(countdown=100)
    sim.run_for(10)
    app.control.shutdown()
    sim.run_for(1)
    after = app.tasks["add"].delay(1, 2)
    sim.run_for(40)
    assert not worker.stopped

    sim.run_for(100)
    assert (worker.stopped, sim.task(running.id).state) == (True, "SUCCESS")
    assert sorted(sim.queue("celery").task_ids) == sorted([after.id, waits.id])
    assert sim.task(after.id).attempts == sim.task(waits.id).attempts == []


def test_shutdown_and_other_commands_may_be_for_some_workers_only(sim, app):
    workers = [sim.start_worker(app, name=name) for name in ("web-1", "web-2", "mail-1")]
    app.control.shutdown(destination=["celery@web-1"])
    sim.run_for(5)

    assert [worker.stopped for worker in workers] == [True, False, False]
    assert list(app.control.inspect(destination=["celery@mail-1"], timeout=1).ping()) == ["celery@mail-1"]
    assert list(app.control.inspect(pattern="celery@w*", matcher="glob", timeout=1).ping()) == ["celery@web-2"]


def test_inspect_says_what_is_reserved_revoked_counted_and_configured(sim, app):
    sim.start_worker(app)
    running, reserved = app.tasks["late_nap"].delay(100), app.tasks["late_nap"].delay(1)
    sim.run_for(10)
    app.control.revoke("an-id", reply=True, timeout=1)
    inspect = app.control.inspect(timeout=1)
    (stats,) = inspect.stats().values()

    assert [task["id"] for task in inspect.reserved()["celery@worker-1"]] == [reserved.id]
    assert [task["id"] for task in inspect.active()["celery@worker-1"]] == [running.id]
    assert inspect.revoked() == {"celery@worker-1": ["an-id"]}
    assert stats["total"] == {"late_nap": 1}
    assert stats["uptime"] == 11  # revoke waited a second for its answers
    assert inspect.conf()["celery@worker-1"]["worker_pool"] == app.conf.worker_pool
    assert f"celery:{celery.__version__}" in inspect.report()["celery@worker-1"]["ok"]


@pytest.mark.parametrize("broker", ["redis", "memory"])
def test_inspect_conf_shows_what_the_app_has_set_and_nothing_of_the_simulation(broker):
    app = Celery(
        "configured", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False
    )
    app.conf.update(task_acks_late=True, broker_transport_options={"visibility_timeout": 77})
    written = {"include", "worker_disable_prefetch"}  # by the program itself
    alone = {name: value for name, value in app.conf.table().items() if name not in written}
    url_to_write = app.conf.table(with_defaults=True)["broker_write_url"]
    with Simulation(start=START, broker=broker) as sim:
        sim.start_worker(app)
        inspect = app.control.inspect(timeout=1)
        (shown,), (defaults,) = inspect.conf().values(), inspect.conf(with_defaults=True).values()

        assert {name: value for name, value in shown.items() if name not in written} == alone
        assert shown["broker_url"].endswith("nobody.example:6379/0")
        assert defaults["broker_write_url"] == url_to_write
        assert app.conf.broker_url != "redis://nobody.example/0"
    assert app.conf.broker_url == "redis://nobody.example/0"


def test_time_limits_can_be_changed_while_the_worker_runs(app):
    with Simulation(start=START, broker="redis") as sim:
        sim.start_worker(app)
        answer = app.control.time_limit("nap", soft=5, hard=10, reply=True, timeout=1)
        result = app.tasks["nap"].delay(100)
        sim.run()

        assert answer == [{"celery@worker-1": {"ok": "time limits set successfully"}}]
        assert (sim.task(result.id).timeline, sim.task(result.id).failure.exception) == (
            "5s FAILURE", "SoftTimeLimitExceeded: SoftTimeLimitExceeded()",
        )  # fmt: skip


def test_waiting_messages_can_be_purged(sim, app):
    sim.start_worker(app, queues=["another"])
    sent = [app.tasks["add"].delay(1, 2) for _ in range(3)]

    assert app.control.purge() == 3
    sim.run()
    assert [sim.task(task.id).attempts for task in sent] == [[], [], []]


def test_a_command_of_the_apps_own_is_answered(sim, app):
    from celery.worker import state as worker_state
    from celery.worker.control import Panel, inspect_command

    @inspect_command()
    def how_many(state):
        return {"tasks": sum(worker_state.total_count.values()), "host": state.hostname}

    try:
        sim.start_worker(app)
        app.tasks["add"].delay(1, 2)
        sim.run()
        (answer,) = app.control.broadcast("how_many", reply=True, timeout=1)
        assert answer == {"celery@worker-1": {"tasks": 1, "host": "celery@worker-1"}}
    finally:
        del Panel.data["how_many"], Panel.meta["how_many"]


def test_the_signals_of_a_task_are_sent_where_it_runs_and_in_celerys_order(sim, app):
    names = ("before_task_publish", "after_task_publish", "task_received", "task_prerun", "task_success", "task_failure", "task_retry", "task_revoked", "task_postrun")  # fmt: skip
    heard = []

    @app.task(name="retried", shared=False, bind=True)
    def retried(self):
        if not self.request.retries:
            raise self.retry(countdown=5)

    def listen(name):
        getattr(signals, name).connect(lambda **_: heard.append(name), weak=False, dispatch_uid="test")

    def heard_of(result):
        sim.run()
        told, heard[:] = list(heard), []
        return told

    for name in names:
        listen(name)
    try:
        sim.start_worker(app)
        sending, running = ["before_task_publish", "after_task_publish"], ["task_received", "task_prerun"]
        assert heard_of(app.tasks["add"].delay(1, 2)) == [*sending, *running, "task_success", "task_postrun"]
        assert heard_of(app.tasks["fails"].delay()) == [*sending, *running, "task_failure", "task_postrun"]
        assert heard_of(app.tasks["retried"].delay()) == [
            *sending, *running, *sending, "task_retry", "task_postrun", *running, "task_success", "task_postrun",
        ]  # fmt: skip
        assert heard_of(app.tasks["add"].apply_async((1, 2), countdown=5, expires=1)) == [
            *sending, "task_received", "task_revoked",
        ]  # fmt: skip
    finally:
        for name in names:
            getattr(signals, name).disconnect(dispatch_uid="test")


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
