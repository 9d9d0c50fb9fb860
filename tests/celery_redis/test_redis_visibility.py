"""Messages that nobody acked: kombu's Redis transport delivers them again, when its sweep finds them, and to whom."""

import time
from datetime import timedelta

import pytest
from celery.concurrency import prefork
from celery.exceptions import Reject
from redis_apps import START, make_app, seconds_of

from retrysim import Simulation
from retrysim.durations import SECOND
from retrysim.trace import TaskStarted


@pytest.fixture(scope="module")
def app():
    return make_app()


@pytest.fixture(scope="module")
def impatient():
    return make_app(broker_transport_options={"visibility_timeout": 3})


def test_unacked_message_returns_on_the_grid_of_the_sweep_not_at_its_timeout(sim, impatient):
    sim.start_worker(impatient, concurrency=4)
    sim.run_for("5.9 s")
    impatient.tasks["late_nap"].delay(250)
    sim.run()

    assert seconds_of(sim, "task-received") == [5.9, 100.0, 200.0]
    assert seconds_of(sim, "task-started") == [5.9, 100.0, 200.0]


def test_the_grid_begins_when_the_worker_starts(sim, impatient):
    sim.run_for("7.25 s")
    sim.start_worker(impatient, concurrency=4)
    impatient.tasks["late_nap"].delay(250)
    sim.run()

    assert seconds_of(sim, "task-received") == [7.25, 107.25, 207.25]


def test_an_early_acked_task_never_returns(sim, impatient):
    sim.start_worker(impatient)
    impatient.tasks["nap"].delay(250)
    sim.run()

    assert seconds_of(sim, "task-received") == [0.0]


def test_an_eta_beyond_the_visibility_timeout_runs_once_for_each_delivery(sim, app):
    sim.start_worker(app, concurrency=4)
    app.tasks["add"].apply_async((1, 1), countdown=9000)
    sim.run()

    assert seconds_of(sim, "task-received") == [0.0, 3600.0, 7200.0]
    assert seconds_of(sim, "task-started") == [9000.0, 9000.0, 9000.0]
    assert sim.elapsed == timedelta(seconds=9000)


def test_what_a_killed_worker_had_is_found_by_the_sweep_of_a_living_one(sim, app):
    doomed = sim.start_worker(app)
    app.tasks["late_nap"].delay(60)
    app.tasks["add"].delay(1, 1)
    sim.run_for(1)
    doomed.kill()
    sim.start_worker(app)
    sim.run()

    # sweeps at 1, 101, 201, ... seconds: 3601 is the first after one hour
    assert seconds_of(sim, "task-received") == [0.0, 0.0, 3601.0, 3601.0]
    assert sim.states == {"SUCCESS": 2}


def test_a_worker_that_waits_already_has_a_reason_to_go_on_when_another_is_killed(sim, app):
    doomed = sim.start_worker(app, queues=["celery"])
    app.tasks["late_nap"].delay(60)
    sim.run_for(1)
    sim.start_worker(app, queues=["celery"])
    sim.run_for(1)
    doomed.kill()
    sim.run()

    assert seconds_of(sim, "task-started") == [0.0, 3601.0]


def test_without_a_living_worker_the_messages_of_a_killed_one_stay_unacked(sim, app):
    worker = sim.start_worker(app)
    app.tasks["late_nap"].delay(60)
    sim.run_for(1)
    worker.kill()
    sim.run()

    assert sim.elapsed == timedelta(seconds=1)
    assert list(sim.trace.lost().values()) == [
        "unacked since 12:00:00 by somebody who is gone; visible again from 13:00:00, when a worker sweeps, "
        "and none is left"
    ]


def test_the_remains_of_a_killed_worker_put_nothing_back(sim, app):
    worker = sim.start_worker(app)
    app.tasks["late_nap"].delay(60)
    sim.run_for(1)
    qos = worker.controller.consumer.task_consumer.channel.qos
    assert qos._on_collect.still_active()
    worker.kill()

    qos._on_collect()  # as when it is collected, or when the interpreter ends
    assert (sim.broker.waiting(), len(sim._crew.broker.unacked())) == ({}, 1)


def test_an_early_acked_task_of_a_killed_worker_is_gone(sim, app):
    worker = sim.start_worker(app)
    app.tasks["nap"].delay(60)
    sim.run_for(1)
    worker.kill()
    worker.restart()
    sim.run()

    assert sim.states == {"STARTED": 1}
    assert sim.broker.waiting() == {}


def test_a_killed_worker_takes_no_further_message(sim, app):
    first = sim.start_worker(app)
    first.kill()
    second = sim.start_worker(app)
    result = app.tasks["add"].delay(1, 1)

    assert result.get() == 2
    assert {attempt.worker for attempt in sim.task(result.id).attempts} == {second.name}


def test_a_retry_that_waits_in_a_stopped_worker_goes_back_to_its_queue(sim, app):
    worker = sim.start_worker(app)
    result = app.tasks["lucky"].delay(900)
    sim.run_for(60)
    worker.stop()

    assert sim.broker.waiting() == {"celery": [result.id]}
    worker.restart()
    sim.run()
    assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"


def test_a_task_that_ends_during_a_warm_shutdown_is_acked(sim, app):
    worker = sim.start_worker(app)
    app.tasks["late_nap"].delay(30)
    sim.run_for(1)
    worker.stop()

    assert sim.states == {"SUCCESS": 1}
    assert sim.broker.waiting() == {}
    assert sim.broker.client_of(3).zcard("unacked_index") == 0


def test_acks_are_done_during_a_warm_shutdown_not_at_its_end(sim, app):
    if not hasattr(prefork, "_run_ready_callbacks"):
        pytest.skip("before Celery 5.7 a stopping prefork worker acked when all its tasks had ended")
    worker = sim.start_worker(app, concurrency=2)
    for seconds in (10, 30):
        app.tasks["late_nap"].delay(seconds)
    sim.run_for(1)
    unacked, client = [], sim.broker.client_of(3)
    for at in (9, 11):
        sim.environment.schedule(
            sim.trace.start_ns + at * SECOND, lambda: unacked.append(client.zcard("unacked_index"))
        )
    worker.stop()

    assert unacked == [2, 1]


def test_sweeps_are_as_frequent_as_kombu_is_told():
    kombu = pytest.importorskip("kombu")
    if kombu.VERSION < (5, 7):
        pytest.skip("unacked_restore_interval and _throttle came with kombu 5.7")
    options = {"visibility_timeout": 3, "unacked_restore_interval": 2, "unacked_restore_throttle": 2}
    app = make_app(broker_transport_options=options)

    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app, concurrency=4)
        sim.run_for("0.5 s")
        app.tasks["late_nap"].delay(13)
        sim.run()
        received = seconds_of(sim, "task-received")

    assert received == [0.5, 4.0, 8.0, 12.0]


# -- what is due at one instant: the figures are those of a real prefork worker, played for 60 s ------------------------


def order_of_starts(sim, ids, seconds=60):
    start_ns = sim.trace.start_ns
    return [
        (ids.index(event.task_id), (event.at_ns - start_ns) // SECOND)
        for event in sim.trace.of(TaskStarted)
        if event.at_ns - start_ns <= seconds * SECOND
    ]


def sweeping(interval, visibility_timeout):
    if pytest.importorskip("kombu").VERSION < (5, 7):
        pytest.skip("unacked_restore_interval and _throttle came with kombu 5.7")
    options = {"unacked_restore_interval": interval, "unacked_restore_throttle": 1}
    return make_app(broker_transport_options={"visibility_timeout": visibility_timeout, **options})


def test_an_ack_comes_before_the_sweep_of_its_instant(sim):
    app = sweeping(interval=1, visibility_timeout=5)
    sim.start_worker(app, concurrency=1)
    app.tasks["late_nap"].delay(5)
    sim.run_for(60)

    assert seconds_of(sim, "task-started") == [0.0]


def test_the_message_that_was_received_last_is_made_visible_first(sim):
    app = sweeping(interval=1, visibility_timeout=5)
    sim.start_worker(app, concurrency=1)
    ids = [app.tasks["late_nap"].delay(5).id for _ in range(3)]
    sim.run_for(60)

    assert order_of_starts(sim, ids) == [(0, 0), (1, 5), (2, 10), (2, 15), (1, 20), (2, 25)]


def test_a_token_of_a_rate_limit_comes_before_the_sweep_of_its_instant(sim):
    app = sweeping(interval=1, visibility_timeout=10)
    app.tasks["add"].rate_limit = "12/m"
    sim.start_worker(app, concurrency=2)
    ids = [app.tasks["add"].delay(1, 1).id for _ in range(8)]
    sim.run_for(60)

    assert [number for number, _ in order_of_starts(sim, ids)] == [0, 1, 2, 3, 4, 5, 6, 7, 7, 3, 4, 5, 6]


def test_a_sweep_that_a_busy_solo_worker_is_late_for_comes_before_what_was_due_after_it(sim):
    app = sweeping(interval=1, visibility_timeout=5)

    @app.task(shared=False, name="keep_busy")
    def keep_busy():
        time.sleep(20)

    sim.start_worker(app, concurrency=1, pool="solo")
    app.tasks["add"].apply_async((1, 1), countdown=17)
    keep_busy.delay()
    sim.run_for(60)

    assert seconds_of(sim, "task-started") == [0.0, 20.0, 20.0]  # delivered again before its ETA was looked at


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_what_becomes_visible_at_one_instant_is_no_matter_of_ids(seed):
    app = sweeping(interval=1, visibility_timeout=4)
    with Simulation(broker="redis", start=START, seed=seed) as sim:
        sim.start_worker(app, concurrency=1)
        ids = [app.tasks["late_nap"].delay(2).id for _ in range(5)]
        sim.run_for(60)
        assert [number for number, _ in order_of_starts(sim, ids)] == [0, 1, 2, 3, 4, 3, 2, 4]


@pytest.mark.parametrize(
    ("visibility_timeout", "received", "notes"),
    [
        (97, [0, 100, 200], []),
        (
            100,
            [0, 100, 200],
            [
                "late_nap: its visibility timeout (1m40s) ended in the moment of a sweep, which delivered it again; in "
                "production, milliseconds decide whether this sweep does or the next one. Play 1m37s and 1m43s, too"
            ],
        ),
        (103, [0, 200], []),
    ],
)
def test_a_note_says_where_milliseconds_decide_which_sweep_delivers_again(sim, visibility_timeout, received, notes):
    app = make_app(broker_transport_options={"visibility_timeout": visibility_timeout})
    sim.start_worker(app, concurrency=4)
    app.tasks["late_nap"].delay(250)
    sim.run()

    assert seconds_of(sim, "task-received") == received
    assert sim.notes == notes


def test_a_message_that_is_rejected_into_its_queue_at_its_visibility_timeout_is_no_tie(sim):
    app = make_app(broker_transport_options={"visibility_timeout": 30})

    @app.task(name="puts_back", shared=False, bind=True, acks_late=True)
    def puts_back(self):
        if not self.request.delivery_info["redelivered"]:
            time.sleep(30)
            raise Reject(requeue=True)

    sim.start_worker(app)
    puts_back.delay()
    sim.run()

    assert (seconds_of(sim, "task-received"), sim.notes) == ([0, 30], [])
