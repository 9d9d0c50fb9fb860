"""A worker of each kind of pool: where they differ in production, they differ here."""

import multiprocessing
import threading
import time
from contextlib import suppress
from datetime import timedelta

import billiard
import pytest
from celery import VERSION, Celery
from celery.signals import worker_process_init
from celery.worker import loops
from celery.worker.request import Request
from semantics_apps import START, make_app, starts_of

from retrysim import InputError, Simulation, Unsupported

POOLS = ("prefork", "threads", "gevent", "solo")


@pytest.fixture(scope="module")
def app():
    return make_app()


@pytest.fixture
def sim():
    with Simulation(broker="redis", start=START) as simulation:
        yield simulation


@pytest.mark.parametrize(
    ("broker", "pool", "loop"),
    [
        ("redis", "prefork", loops.asynloop),
        ("redis", "threads", loops.asynloop),
        ("redis", "solo", loops.asynloop),
        ("redis", "gevent", loops.synloop),
        ("memory", "prefork", loops.synloop),
        ("memory", "threads", loops.synloop),
        ("memory", "solo", loops.synloop),
        ("memory", "gevent", loops.synloop),
    ],
)
def test_a_worker_runs_the_loop_that_a_real_one_of_its_kind_would(app, broker, pool, loop):
    with Simulation(broker=broker) as sim:
        worker = sim.start_worker(app, pool=pool)

        assert worker.controller.consumer.loop is loop
        assert worker.controller.use_eventloop is (loop is loops.asynloop)


@pytest.mark.parametrize(
    ("pool", "implementation"),
    [
        ("prefork", "celery.concurrency.prefork:TaskPool"),
        ("threads", "celery.concurrency.thread:TaskPool"),
        ("gevent", "celery.concurrency.gevent:TaskPool"),
        ("solo", "celery.concurrency.solo:TaskPool"),
    ],
)
def test_inspect_names_the_pool_that_is_stood_in_for(sim, app, pool, implementation):
    sim.start_worker(app, pool=pool)

    stats = app.control.inspect(timeout=1).stats()["celery@worker-1"]

    assert stats["pool"]["implementation"] == implementation


@pytest.mark.parametrize("broker", ["memory", "redis"])
@pytest.mark.parametrize(
    ("pool", "starts"),
    [("prefork", [0, 0, 10]), ("threads", [0, 0, 10]), ("gevent", [0, 0, 10]), ("solo", [0, 10, 20])],
)
def test_a_pool_runs_as_many_tasks_at_once_as_it_has_slots_and_solo_one(app, broker, pool, starts):
    with Simulation(broker=broker) as sim:
        sim.start_worker(app, pool=pool, concurrency=2)
        for _ in range(3):
            app.tasks["nap"].delay(10)
        sim.run()

        assert starts_of(sim) == starts
        assert sim.states == {"SUCCESS": 3}


def test_the_app_says_which_pool_its_workers_have():
    app = make_app(worker_pool="solo")
    with Simulation(broker="redis") as sim:
        sim.start_worker(app)

        assert app.control.inspect(timeout=1).stats()["celery@worker-1"]["pool"]["max-concurrency"] == 1


# -- solo: the worker's own process -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", POOLS)
def test_a_solo_worker_answers_nobody_while_a_body_runs(sim, app, pool):
    sim.start_worker(app, pool=pool)
    app.tasks["nap"].delay(10)
    sim.run_for(1)

    answer = app.control.inspect(timeout=1).ping()

    assert answer == (None if pool == "solo" else {"celery@worker-1": {"ok": "pong"}})


@pytest.mark.parametrize(("pool", "unacked"), [("prefork", 0), ("threads", 0), ("gevent", 0), ("solo", 1)])
def test_solo_acks_on_redis_only_when_the_body_is_over(sim, pool, unacked):
    app, seen = make_app(), []
    client = sim.broker.client_of(0)

    @app.task(name="looks", shared=False)
    def looks():
        time.sleep(1)
        seen.append(client.zcard("unacked_index"))

    sim.start_worker(app, pool=pool)
    app.tasks["looks"].delay()
    sim.run()

    assert seen == [unacked]


# -- what waits for a slot --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pool", "state"), [("prefork", "REVOKED"), ("threads", "SUCCESS")])
def test_threads_do_not_look_again_whether_a_reserved_task_has_expired(sim, app, pool, state):
    sim.start_worker(app, pool=pool)
    app.tasks["nap"].delay(10)
    result = app.tasks["now"].apply_async(expires=5)
    sim.run()

    assert sim.task(result.id).state == state


@pytest.mark.skipif(VERSION < (5, 5), reason="Celery 5.4 lets the executor run all that it has")
def test_threads_drop_what_has_not_begun_at_a_warm_shutdown_and_redis_delivers_it_again(sim, app):
    worker = sim.start_worker(app, pool="threads")
    for _ in range(2):
        app.tasks["nap"].delay(10)
    sim.run_for(1)
    worker.stop()
    assert starts_of(sim) == [0]

    worker.restart()
    sim.run()

    assert starts_of(sim) == [0, 10]
    assert sim.states == {"SUCCESS": 2}


# -- time limits and terminate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pool", "state", "seconds"),
    [("prefork", "FAILURE", 5), ("gevent", "FAILURE", 5), ("threads", "SUCCESS", 30), ("solo", "SUCCESS", 30)],
)
def test_hard_time_limits_are_for_prefork_and_gevent(sim, app, pool, state, seconds):
    sim.start_worker(app, pool=pool)
    result = app.tasks["nap"].apply_async((30,), time_limit=5)
    sim.run()

    assert (result.state, sim.elapsed) == (state, timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("pool", "answer"),
    [("prefork", "soft limit at 5"), ("threads", "no limit"), ("gevent", "no limit"), ("solo", "no limit")],
)
def test_soft_time_limits_are_for_prefork(sim, app, pool, answer):
    sim.start_worker(app, pool=pool)

    assert app.tasks["patient"].apply_async((30,), soft_time_limit=5).get() == answer


@pytest.mark.parametrize(("pool", "seconds"), [("prefork", 10), ("threads", 100)])
def test_terminate_is_for_pools_that_can(sim, app, pool, seconds, caplog):
    sim.start_worker(app, pool=pool)
    result = app.tasks["nap"].delay(100)
    sim.run_for(10)
    result.revoke(terminate=True)
    sim.run()

    assert sim.elapsed == timedelta(seconds=seconds)
    assert ("does not implement kill_job" in caplog.text) is (pool == "threads")


# -- what a body may do -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pool", "state"), [("prefork", "FAILURE"), ("gevent", "SUCCESS")])
def test_waiting_for_a_result_inside_a_task_is_forbidden_but_in_greenlets(sim, app, pool, state):
    sim.start_worker(app, pool=pool, concurrency=2)
    result = app.tasks["asks"].delay()
    sim.run()

    assert sim.task(result.id).state == state


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_a_worker_of_threads_or_greenlets_survives_a_task_that_ends_the_interpreter(sim, app, pool):
    sim.start_worker(app, pool=pool)
    app.tasks["exits"].delay()
    sim.run()

    assert app.tasks["add"].delay(1, 2).get() == 3


@pytest.mark.parametrize(("pool", "processes"), [("prefork", 3), ("threads", 0), ("gevent", 0), ("solo", 1)])
def test_pool_processes_say_that_they_begin_where_there_are_any(sim, app, pool, processes):
    heard = []
    worker_process_init.connect(lambda **_: heard.append(1), weak=False, dispatch_uid="pools")
    try:
        sim.start_worker(app, pool=pool, concurrency=3)
        sim.run()
    finally:
        worker_process_init.disconnect(dispatch_uid="pools")

    assert len(heard) == processes


# -- redelivery -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pool", "starts"), [("prefork", [0, 105]), ("threads", [0, 105]), ("gevent", [0])])
def test_an_idle_gevent_worker_restores_nothing_that_another_had_unacked(pool, starts):
    app = make_app(broker_transport_options={"visibility_timeout": 30})
    with Simulation(broker="redis") as sim:
        first = sim.start_worker(app)
        app.tasks["late_nap"].delay(10)
        sim.run_for(5)
        first.kill()
        sim.start_worker(app, pool=pool)
        sim.run_for(260)

        assert starts_of(sim) == starts


def test_an_idle_gevent_worker_does_not_keep_the_run_alive(sim, app):
    sim.start_worker(app, pool="gevent", without_heartbeat=False, without_gossip=False)
    app.tasks["nap"].apply_async((1,), countdown=3600)
    sim.run()

    assert sim.elapsed == timedelta(seconds=3601)


# -- bad input --------------------------------------------------------------------------------------------------------


def test_a_pool_that_does_not_exist_is_said_with_those_that_do(sim, app):
    with pytest.raises(InputError) as error:
        sim.start_worker(app, pool="thread")

    assert str(error.value) == (
        "there is no pool 'thread'; did you mean 'threads'? (the pools are prefork, threads, gevent, solo)"
    )


def test_eventlet_is_said_to_behave_as_gevent_does(sim, app):
    with pytest.raises(Unsupported) as error:
        sim.start_worker(app, pool="eventlet")

    assert str(error.value) == "pool='eventlet' is not simulated; pool='gevent' behaves alike: write that"


def who_runs(app):
    @app.task(shared=False)
    def who():
        process = billiard.current_process()
        assert process.name == multiprocessing.current_process().name
        time.sleep(10)  # so that each child has one
        return getattr(process, "index", None), process.name, threading.current_thread().name

    return who


def test_a_pool_process_has_an_index_and_a_name_and_the_next_takes_its_index(sim):
    app = Celery("indexed", backend="redis://", set_as_current=False)
    who = who_runs(app)
    worker = sim.start_worker(app, concurrency=2)
    first = [who.delay() for _ in range(2)]
    sim.run()
    lost = who.delay()
    sim.run_for(1)
    worker.kill_child(lost.id)
    second = [who.delay() for _ in range(2)]
    sim.run()

    assert [result.get() for result in first] == [
        [0, "ForkPoolWorker-1", "MainThread"],
        [1, "ForkPoolWorker-2", "MainThread"],
    ]
    assert sorted(result.get()[:2] for result in second) == [[0, "ForkPoolWorker-3"], [1, "ForkPoolWorker-2"]]
    assert billiard.current_process().name == multiprocessing.current_process().name == "MainProcess"


def test_threads_of_the_threads_pool_have_their_names_and_the_workers_process(sim):
    app = Celery("threaded", backend="redis://", set_as_current=False)
    who = who_runs(app)
    sim.start_worker(app, pool="threads", concurrency=2)
    results = [who.delay() for _ in range(2)]
    sim.run()

    threads = [[None, "MainProcess", f"ThreadPoolExecutor-0_{number}"] for number in range(2)]
    assert [result.get() for result in results] == threads


def test_a_pool_process_is_a_daemon_that_multiprocessing_permits_no_children(sim):
    app = Celery("daemonic", backend="redis://", set_as_current=False)

    @app.task(shared=False)
    def start_another():
        multiprocessing.get_context("fork").Process(target=print).start()

    sim.allow("subprocess")
    sim.start_worker(app)
    result = start_another.delay()
    sim.run()

    assert repr(result.result) == "AssertionError('daemonic processes are not allowed to have children')"


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("pool", POOLS)
def test_a_worker_receives_from_a_pool_process_the_exception_itself(sim, pool, isolated):
    """billiard pickles it on the way, which takes its wrapper off. Other pools pass the wrapper."""
    received = []

    class Kept(Request):
        def on_failure(self, exc_info, **options):
            error = exc_info.exception
            received.append((type(error).__name__, type(error.__cause__).__name__))
            return super().on_failure(exc_info, **options)

    app = Celery("raising", broker="redis://", set_as_current=False)

    @app.task(shared=False, bind=True, Request=Kept, max_retries=1)
    def fail(self):
        raise self.retry(countdown=1, exc=KeyError("no"))

    sim.start_worker(app, pool=pool, isolated=isolated and pool == "prefork")
    fail.delay()
    sim.run()

    retry = ("Retry", "RemoteTraceback") if pool == "prefork" else ("ExceptionWithTraceback", "NoneType")
    assert received == [retry, ("KeyError", "NoneType")]  # Celery has taken the wrapper off the last one


def test_the_event_of_a_retry_names_its_cause(sim):
    app = Celery("raising", broker="redis://", set_as_current=False)

    @app.task(shared=False, bind=True, max_retries=1)
    def fail(self):
        raise self.retry(countdown=1, exc=KeyError("no"))

    heard = []
    sim.start_worker(app, task_events=True)
    fail.delay()
    with app.connection_for_read() as connection, suppress(TimeoutError):
        app.events.Receiver(connection, handlers={"task-retried": heard.append}).capture(timeout=5)

    assert [event["exception"] for event in heard] == ["KeyError('no')"]


class Unsendable(BaseException):
    """Pickling it fails, and Celery only replaces what is an ``Exception``."""

    def __reduce__(self):
        raise TypeError("not this one")


@pytest.mark.skipif(billiard.VERSION < (4, 3), reason="before billiard 4.3, what is no Exception ends a child silently")
def test_a_pool_process_reports_that_it_cannot_send_what_was_raised(sim):
    app = Celery("raising", broker="redis://", backend="redis://", set_as_current=False)

    @app.task(shared=False)
    def fail():
        raise Unsendable

    sim.start_worker(app)
    result = fail.delay()
    sim.run()

    assert str(result.result).startswith("Error sending result: ")
