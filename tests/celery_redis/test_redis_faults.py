"""The broker breaks, the way to it breaks, workers end in every way: what Celery's own code makes of it."""

from __future__ import annotations

import time

import pytest
from celery import VERSION as CELERY
from celery.exceptions import SoftTimeLimitExceeded
from redis_apps import START, make_app, seconds_of

from retrysim import InputError, Simulation
from retrysim.trace import FaultFired, WorkerLogged, WorkerStopped

LINES: list[str] = []


@pytest.fixture(autouse=True)
def no_lines():
    LINES.clear()


@pytest.fixture
def app():
    app = make_app()

    @app.task(name="work", shared=False)
    def work(seconds):
        LINES.append("begun")
        try:
            time.sleep(seconds)
            LINES.append("done")
        finally:
            LINES.append("finally")

    @app.task(name="late_work", shared=False, acks_late=True)
    def late_work(seconds):
        work(seconds)

    @app.task(name="requeued_work", shared=False, acks_late=True, reject_on_worker_lost=True)
    def requeued_work(seconds):
        work(seconds)

    @app.task(name="patient", bind=True, shared=False)
    def patient(self):
        if not self.request.retries:
            raise self.retry(countdown=900)

    return app


@pytest.fixture
def sim():
    with Simulation(broker="redis", start=START) as simulation:
        yield simulation


def logged(sim):
    return [event.text for event in sim.trace.of(WorkerLogged)]


def ends(sim):
    return [(event.how, (event.at_ns - sim.trace.start_ns) // 1_000_000_000) for event in sim.trace.of(WorkerStopped)]


# -- shutdowns -----------------------------------------------------------------------------------------------------------


def test_a_cold_shutdown_gives_late_acked_messages_back_and_lets_tasks_clean_up(sim, app):
    worker = sim.start_worker(app, concurrency=2)
    late, early = app.tasks["late_work"].delay(60), app.tasks["work"].delay(60)
    sim.run_for(5)
    worker.quit()

    cleaned_up = ["finally", "finally"] if CELERY >= (5, 5) else []
    assert ["begun", "begun", *cleaned_up] == LINES
    assert sim.broker.waiting() == {"celery": [late.id]}
    assert worker.stopped
    # Since 5.5 Celery says RETRY of an early-acked task that it cancels, though nothing will retry it.
    assert sim.task(early.id).state == ("RETRY" if CELERY >= (5, 5) else "STARTED")


@pytest.mark.skipif(CELERY < (5, 5), reason="soft shutdown came with Celery 5.5")
def test_a_soft_shutdown_lets_end_what_can_end_in_its_time(sim):
    app = make_app(worker_soft_shutdown_timeout=10)
    worker = sim.start_worker(app, concurrency=2)
    short, long = app.tasks["late_nap"].delay(3), app.tasks["late_nap"].delay(60)
    sim.run_for(1)
    worker.soft_stop()

    assert (sim.task(short.id).timeline, sim.task(long.id).timeline) == ("3s SUCCESS", "STARTED")
    assert sim.broker.waiting() == {"celery": [long.id]}
    assert ends(sim) == [("soft", 11)]


@pytest.mark.skipif(CELERY < (5, 5), reason="soft shutdown came with Celery 5.5")
def test_a_worker_that_shuts_down_already_is_not_told_again(sim):
    app = make_app(worker_soft_shutdown_timeout=15)
    worker = sim.start_worker(app)
    app.tasks["late_nap"].delay(10)
    sim.run_for("1s")
    worker.signal("SIGQUIT", how="soft")
    sim.run_for("1s")
    worker.ask_to_stop()
    sim.run()

    assert ends(sim) == [("soft", 16)]
    assert [text for text in logged(sim) if "Warm shutdown" in text] == []


def test_a_worker_without_a_timeout_has_no_soft_shutdown(sim, app):
    worker = sim.start_worker(app)

    with pytest.raises(InputError) as caught:
        worker.soft_stop()
    assert str(caught.value) == (
        "worker-1 has no soft shutdown: set worker_soft_shutdown_timeout (Celery 5.5 and later) to more than 0 seconds, "
        "or use quit() for a cold shutdown"
    )


def test_a_warm_shutdown_waits_for_what_runs_and_gives_waiting_retries_back(sim, app):
    worker = sim.start_worker(app)
    result = app.tasks["patient"].delay()
    sim.run_for(1)
    app.tasks["late_work"].delay(30)
    sim.run_for(1)
    worker.stop()

    assert LINES == ["begun", "done", "finally"]
    assert sim.broker.waiting() == {"celery": [result.id]}
    assert ends(sim) == [("warm", 31)]


@pytest.mark.parametrize(("told_to_stop", "state"), [(False, "SUCCESS"), (True, "FAILURE")])
@pytest.mark.skipif(CELERY < (5, 7), reason="the timers of a hub do not fire during a shutdown before Celery 5.7")
def test_a_soft_limit_during_a_warm_shutdown_comes_twice(sim, told_to_stop, state):
    """As a real worker's mostly does: what a task does when it is told is interrupted, too."""
    app = make_app()

    @app.task(name="clean_up", shared=False, soft_time_limit=20)
    def clean_up():
        try:
            time.sleep(60)
        except SoftTimeLimitExceeded:
            time.sleep(10)

    worker = sim.start_worker(app)
    clean_up.delay()
    sim.run_for("5s")
    if told_to_stop:
        worker.signal("SIGTERM")
    sim.run()

    assert sim.states == {state: 1}
    assert seconds_of(sim, "task-failed" if told_to_stop else "task-succeeded") == [20 if told_to_stop else 30]
    assert len([text for text in logged(sim) if "Soft time limit" in text]) == 1 + told_to_stop


def test_the_signals_of_a_shutdown_are_celerys_own(sim, app):
    from celery import signals

    heard = []

    def hear(sender, sig, how, exitcode, **_):
        heard.append((sender, sig, how))

    signals.worker_shutting_down.connect(hear)
    worker = sim.start_worker(app)
    worker.stop()

    assert heard == [("celery@worker-1", "SIGTERM", "Warm")]


def test_a_restarted_worker_takes_up_a_retry_that_a_stopped_one_gave_back(sim, app):
    worker = sim.start_worker(app)
    result = app.tasks["patient"].delay()
    sim.run_for(60)
    worker.stop()
    worker.restart()
    sim.run()

    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"


# -- a pool process is lost ----------------------------------------------------------------------------------------------


def test_a_lost_pool_process_fails_its_task(sim, app):
    worker = sim.start_worker(app)
    result = app.tasks["work"].delay(60)
    sim.run_for(5)
    worker.kill_child(result.id)
    sim.run()

    assert LINES == ["begun"]
    assert sim.task(result.id).timeline == "5s FAILURE"
    assert sim.task(result.id).failure.exception == (
        "WorkerLostError: Worker exited prematurely: signal 9 (SIGKILL) Job: 0."
    )


def test_a_late_acked_task_of_a_lost_pool_process_is_acked_unless_told_otherwise(sim, app):
    worker = sim.start_worker(app, concurrency=2)
    acked, requeued = app.tasks["late_work"].delay(60), app.tasks["requeued_work"].delay(60)
    sim.run_for(5)
    for result in (acked, requeued):
        worker.kill_child(result.id)
    sim.run()

    assert sim.task(acked.id).timeline == "5s FAILURE"
    assert sim.task(requeued.id).timeline == "1m5.1s SUCCESS"
    assert [attempt.start_ns for attempt in sim.task(requeued.id).attempts][1] - sim.trace.start_ns == 5_100_000_000


@pytest.mark.skipif(CELERY < (5, 7), reason="task_retry_on_worker_lost came with Celery 5.7")
def test_a_task_of_a_lost_pool_process_is_retried_where_it_asks_for_it(sim, app):
    @app.task(name="again", shared=False, retry_on_worker_lost=True, default_retry_delay=60)
    def again():
        time.sleep(30)

    worker = sim.start_worker(app)
    result = again.delay()
    sim.run_for(5)
    worker.kill_child()
    sim.run()

    assert sim.task(result.id).timeline == "5s RETRY 1m30s SUCCESS"


def test_the_pool_process_of_a_task_that_does_not_run_cannot_be_lost(sim, app):
    worker = sim.start_worker(app)

    with pytest.raises(InputError, match="worker-1 has no pool process that runs a task"):
        worker.kill_child()


# -- connections -----------------------------------------------------------------------------------------------------------


def test_a_connection_that_breaks_doubles_a_late_acked_task(sim, app):
    sim.start_worker(app, concurrency=2)
    result = app.tasks["late_work"].delay(30)
    sim.run_for(10)
    sim.broker.cut_connections()
    sim.run()

    assert [attempt.start_ns - sim.trace.start_ns for attempt in sim.task(result.id).attempts] == [0, 10_000_000_000]
    assert "Connection to broker lost" in logged(sim)[0]


def test_a_connection_that_breaks_cancels_late_tasks_where_the_app_says_so(sim):
    app = make_app(worker_cancel_long_running_tasks_on_connection_loss=True)
    sim.start_worker(app, concurrency=2)
    result = app.tasks["late_nap"].delay(30)
    sim.run_for(10)
    sim.broker.cut_connections()
    sim.run()

    assert sim.task(result.id).state == "SUCCESS"
    assert [attempt.state for attempt in sim.task(result.id).attempts] == ["RETRY", "SUCCESS"]


def test_a_worker_reconnects_with_less_prefetch_before_celery_5_7_and_gets_it_back(sim, app):
    worker = sim.start_worker(app, concurrency=2)
    app.tasks["late_work"].delay(30)
    sim.run_for(10)
    sim.broker.cut_connections()
    sim.run_for(1)
    reduced = worker.controller.consumer.qos.value
    sim.run()

    # 5.7 reduces it only where a change reaches consumers that run, and takes Redis for one where it does not.
    assert reduced == (8 if CELERY >= (5, 7) else 4)
    assert worker.controller.consumer.qos.value == 8


def test_a_waiting_retry_survives_a_broken_connection(sim, app):
    sim.start_worker(app)
    result = app.tasks["patient"].delay()
    sim.run_for(60)
    sim.broker.cut_connections()
    sim.run()

    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"


def test_a_broker_that_is_down_is_asked_again_and_again(sim, app):
    sim.start_worker(app)
    sim.broker.restart(down_for="10s")
    sim.run_for(1)
    result = app.tasks["add"].s(1, 2)
    sim.run_for(20)

    assert result.delay().get() == 3
    retries = [text for text in logged(sim) if "Cannot connect to redis://" in text]
    assert len(retries) == 3
    assert seconds_of(sim, "task-started") == [21]


def test_a_worker_whose_connection_may_not_be_retried_dies(sim):
    app = make_app(broker_connection_retry=False)
    worker = sim.start_worker(app)
    sim.broker.stop()
    sim.run()

    assert worker.stopped
    assert ends(sim) == [("died", 0)]


def test_a_worker_gives_up_after_the_maximum_of_retries(sim):
    app = make_app(broker_connection_max_retries=3)
    worker = sim.start_worker(app)
    sim.broker.stop()
    sim.run()

    assert worker.stopped


@pytest.mark.skipif(CELERY < (5, 7), reason="kombu before 5.7 closes a connection once")
def test_a_worker_that_holds_a_message_dies_when_its_broker_stops(sim, app):
    """It sees the end of its subscription first, as a real one does (conformance/40), and closes it twice."""
    sim.start_worker(app)
    app.tasks["patient"].delay()
    sim.run_for("1s")
    sim.broker.restart(down_for="10s")
    sim.run()

    assert ends(sim) == [("died", 1)]
    assert any("'NoneType' object has no attribute 'hostname'" in text for text in logged(sim))


@pytest.mark.skipif(CELERY < (5, 7), reason="kombu before 5.7 closes a connection once")
@pytest.mark.parametrize("pool", ["prefork", "solo"])
@pytest.mark.parametrize("down_for", [0, 4])
@pytest.mark.parametrize("idle", [0, 3, 20])
def test_a_worker_that_holds_a_message_dies_however_long_it_was_idle_before(sim, app, idle, down_for, pool):
    """12 of 12 real ones did: both connections end at once, and the newer one, its subscription, is read first."""
    sim.start_worker(app, pool=pool, concurrency=1)
    sim.run_for(idle)
    app.tasks["add"].apply_async((1, 2), countdown=3000)
    sim.run_for("1s")
    sim.broker.restart(down_for=down_for)
    sim.run_for(60)

    assert ends(sim) == [("died", idle + 1)]
    assert any("'NoneType' object has no attribute 'hostname'" in text for text in logged(sim))


def test_a_broker_that_loses_its_data_loses_what_waits(sim, app):
    worker = sim.start_worker(app)
    worker.kill()
    result = app.tasks["add"].delay(1, 1)
    sim.broker.restart(lose_data=True)
    worker.restart()
    sim.run()

    assert sim.trace.lost() == {result.id: "its message to queue 'celery' is gone"}


def test_a_partition_is_silence_and_what_was_sent_arrives_after_the_repair(sim, app):
    worker = sim.start_worker(app)
    result = app.tasks["work"].delay(30)
    sim.run_for(10)
    sim.broker.partition(worker)
    sim.run_for(50)
    assert sim.task(result.id).state == "STARTED"

    sim.broker.repair(worker)
    sim.run()
    assert sim.task(result.id).timeline == "1m SUCCESS"


def test_a_partitioned_worker_takes_nothing_and_another_one_does(sim, app):
    first = sim.start_worker(app)
    sim.start_worker(app)
    sim.broker.partition(first)
    results = [app.tasks["add"].delay(1, number) for number in range(4)]
    sim.run_for(10)

    # one message was on its way to the silent worker's BRPOP: it lies in the network until the repair
    assert {attempt.worker for r in results for attempt in sim.task(r.id).attempts} == {"worker-2"}
    assert sum(sim.task(result.id).state == "PENDING" for result in results) <= 1
    sim.broker.repair(first)
    sim.run()
    assert sim.states == {"SUCCESS": 4}


def test_tcp_gives_up_on_a_partition_that_lasts(sim, app):
    worker = sim.start_worker(app)
    sim.broker.partition(worker)
    sim.run_for("20 minutes")
    sim.broker.repair(worker)
    result = app.tasks["add"].delay(1, 1)
    sim.run()

    assert any("Connection to broker lost" in text for text in logged(sim))
    assert sim.task(result.id).state == "SUCCESS"


def test_a_killed_worker_in_a_partition_stays_dead_after_the_repair(sim, app):
    worker = sim.start_worker(app)
    app.tasks["late_work"].delay(30)
    sim.run_for(10)
    sim.broker.partition(worker)
    worker.kill()
    sim.broker.repair(worker)
    sim.run()

    assert LINES == ["begun"]


# -- messages and results ------------------------------------------------------------------------------------------------


def test_a_dropped_retry_is_lost_and_the_reason_says_by_what(sim, app):
    sim.start_worker(app)
    sim.broker.drop(task="patient", retries=1, name="lost on the way")
    result = app.tasks["patient"].delay()
    sim.run()

    assert sim.trace.lost() == {result.id: "its message was dropped on its way to queue 'celery' (lost on the way)"}
    assert [(event.name, event.verb) for event in sim.trace.of(FaultFired)] == [("lost on the way", "drop")]


def test_a_duplicated_message_runs_twice_and_both_are_acked(sim, app):
    sim.start_worker(app)
    sim.broker.duplicate(task="late_work")
    result = app.tasks["late_work"].delay(1)
    sim.run()

    assert len(sim.task(result.id).attempts) == 2
    assert sim.broker.client_of(3).zcard("unacked_index") == 0


def test_a_delayed_message_arrives_later(sim, app):
    sim.start_worker(app)
    sim.broker.delay("7s", task="add")
    app.tasks["add"].delay(1, 1)
    sim.run()

    assert seconds_of(sim, "task-received") == [7]


def test_a_publish_that_fails_once_is_sent_again_by_kombu(sim, app):
    sim.start_worker(app)
    sim.broker.fail(task="add")

    assert app.tasks["add"].delay(1, 1).get() == 2


def test_slow_results_keep_a_task_in_its_slot(sim, app):
    sim.start_worker(app)
    sim.results.slow("5s")
    result = app.tasks["add"].delay(1, 1)
    sim.run()

    assert sim.task(result.id).timeline == "5s SUCCESS"


def test_a_message_that_redis_gave_to_a_worker_that_dies_before_it_reads_it_is_lost(sim, app):
    worker = sim.start_worker(app)
    result = app.tasks["patient"].delay()
    sim.run(until=sim.task(result.id).retried)  # the retry's message is on its way to this worker's BRPOP
    worker.kill()
    worker.restart()
    sim.run()

    assert sim.trace.lost() == {result.id: "Redis had given its message to worker-1, which was gone before it read it"}


def given_to_worker_1(*, how):
    return f"Redis had given its message to worker-1, which lost its connection before it {how}"


def test_a_message_that_a_worker_has_read_and_cannot_record_as_unacked_is_lost(sim, app):
    sim.start_worker(app)
    result = app.tasks["patient"].delay()
    sim.run(until=sim.task(result.id).retried)  # the retry's message has arrived on this worker's BRPOP
    sim.broker.restart(down_for="5s")
    sim.run()

    assert sim.trace.lost() == {result.id: given_to_worker_1(how="had recorded that")}


@pytest.mark.skipif(CELERY < (5, 5), reason="with kombu 5.3 its worker gets it, twice")
def test_a_message_that_redis_sent_over_a_connection_that_its_worker_gives_up_is_lost(sim, app):
    worker = sim.start_worker(app)
    sim.broker.partition(worker)  # the server still holds its BRPOP
    result = app.tasks["add"].delay(1, 1)
    sim.run_for("30m")
    sim.broker.repair(worker)
    sim.run()

    assert sim.trace.lost() == {result.id: given_to_worker_1(how="read it")}


def test_a_message_that_outlives_its_connection_is_not_called_lost(sim, app):
    sim.start_worker(app)
    result = app.tasks["patient"].delay()
    sim.run(until=sim.task(result.id).retried)
    sim.broker.cut_connections()
    sim.run()

    assert sim.trace.lost() == {}
    assert sim.task(result.id).state == "SUCCESS"


# -- bad input -----------------------------------------------------------------------------------------------------------


def test_verbs_of_connections_need_a_server():
    with Simulation(broker="memory") as sim, pytest.raises(InputError) as caught:
        sim.broker.restart()
    assert str(caught.value) == (
        "sim.broker.restart: kombu's memory transport has no server and no connection; "
        'write Simulation(broker="redis") or "rabbitmq", or broker: redis in a scenario'
    )


def test_a_fault_of_messages_says_what_it_can_choose_by(sim):
    with pytest.raises(InputError) as caught:
        sim.broker.drop(tusk="add")
    assert str(caught.value) == (
        "sim.broker.drop: no option tusk; messages are chosen by task, queue, retries, nth, times"
    )


def test_only_a_fault_that_is_there_is_taken_back(sim):
    name = sim.broker.drop()
    sim.broker.release(name)

    with pytest.raises(InputError, match="no fault of messages is named 'x'; there is drop 1"):
        sim.broker.release("x")


def test_a_stopped_worker_gets_no_signal(sim, app):
    worker = sim.start_worker(app)
    worker.kill()

    with pytest.raises(InputError, match="worker-1 does not run: there is nobody to get SIGTERM"):
        worker.signal("SIGTERM")


def test_after_the_simulation_nobody_retries_in_real_time_what_its_redis_had_refused(app, monkeypatch):
    sleeps = []
    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)
        result = app.tasks["work"].delay(10)
        result.then(lambda _: None)  # listens to the channel of the result, and unsubscribes when it is collected
        sim.run_for("1s")
        sim.broker.stop()
    monkeypatch.setattr(time, "sleep", sleeps.append)

    assert (result.state, sleeps) == ("PENDING", [])
    del result
    assert sleeps == []
