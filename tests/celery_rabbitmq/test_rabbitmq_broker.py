"""A real worker on a simulated RabbitMQ: what differs between versions, restarts, faults, and what is lost."""

import signal
import time

import amqp
import pytest
from celery import Celery
from rabbitmq_apps import held, make_app, quorum, started_s

from retrysim import InputError, RabbitMQ, Simulation, SimulationError
from retrysim.trace import FaultFired, TaskReceived, WorkerLogged, WorkerStopped

POOLS = ["prefork", "solo", "threads", "gevent"]


def wait_for(tasks, app, *, countdown):
    for _ in range(tasks):
        app.tasks["plain"].apply_async(countdown=countdown)


# -- versions, side by side --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(("version", "at_s"), [("3.10", 1.0), ("3.13", 1.0), ("4.0", 12.0), ("4.3", 12.0)])
def test_four_waiting_tasks_stop_a_worker_of_prefetch_four_on_rabbitmq_4(version, at_s, pool):
    """Measured with Celery 5.7.0 on real servers 3.10.8, 4.0.5 and 4.3.6: the plain task ran at 1, 12 and 12 s."""
    app = make_app(worker_prefetch_multiplier=4)
    with Simulation(broker=RabbitMQ(version=version)) as sim:
        sim.start_worker(app, concurrency=1, pool=pool)
        wait_for(4, app, countdown=12)
        sim.run_for("1 second")
        app.tasks["plain"].delay()
        sim.run()

        assert started_s(sim) == sorted([at_s, 12.0, 12.0, 12.0, 12.0])


@pytest.mark.parametrize("version", ["3.13", "4.0"])
def test_eta_beyond_the_consumer_timeout_ends_the_worker(version):
    """celery#6760: the channel is closed with 406, which Celery takes for an error that cannot be recovered from."""
    with Simulation(broker=RabbitMQ(version=version)) as sim:
        app = make_app()
        sim.start_worker(app)
        app.tasks["plain"].apply_async(countdown=2400)
        sim.run()

        (stopped,) = sim.trace.of(WorkerStopped)
        assert ((stopped.at_ns - sim.trace.start_ns) / 1e9, stopped.how) == (1860.0, "died")
        assert sim.broker.queue("celery").messages_ready == 1
        (logged,) = [event.text for event in sim.trace.of(WorkerLogged)]
        assert logged.startswith("Unrecoverable error: PreconditionFailed(406, 'PRECONDITION_FAILED - delivery ack")


def test_4_3_has_no_consumer_timeout_on_classic_queues():
    with Simulation(broker=RabbitMQ(version="4.3")) as sim:
        app = make_app()
        sim.start_worker(app)
        app.tasks["plain"].apply_async(countdown=2400)
        sim.run()

        assert started_s(sim) == [2400.0]


@pytest.mark.parametrize(("version", "runs"), [("3.13", 25), ("4.0", 21), ("4.3", 21)])
def test_crash_loop_is_dropped_at_the_delivery_limit_since_4_0(version, runs):
    app = make_app(task_acks_late=True, task_reject_on_worker_lost=True, task_queues=[quorum()])
    times = []

    @app.task(name="crash", shared=False)
    def crash():
        times.append(1)
        if len(times) < 25:
            time.sleep(1)
            signal.raise_signal(signal.SIGKILL)

    with Simulation(broker=RabbitMQ(version=version)) as sim:
        sim.start_worker(app)
        sent = crash.delay()
        sim.run()

        assert len(times) == runs
        if runs == 21:
            assert held(sim)[sent.id] == (
                "RabbitMQ dropped its message: queue 'celery' had returned it as often as its delivery limit allows"
            )


# -- retries -----------------------------------------------------------------------------------------------------------


def test_retries_come_at_their_time_and_rpc_brings_the_result():
    app = make_app(result_backend="rpc://")
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        result = app.tasks["flaky"].delay()

        assert result.get(timeout=60) == 2
        assert started_s(sim) == [0.0, 10.0, 20.0]


def test_native_delayed_delivery_waits_in_quorum_queues_of_rabbitmq():
    app = make_app(task_queues=[quorum()])
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        app.tasks["plain"].apply_async(countdown=300)
        sim.run_for("1 second")

        assert [queue.name for queue in sim.broker.queues() if queue.messages_ready] == ["celery_delayed_8"]
        assert sim.broker.queue("celery").messages_unacknowledged == 0

        sim.run()
        assert started_s(sim) == [300.0]


def test_idle_hours_with_heartbeats_keep_connections_alive():
    app = make_app()
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        sim.run_for("3 hours")
        app.tasks["plain"].delay()
        sim.run()

        assert sim.states == {"SUCCESS": 1}
        assert not [event for event in sim.trace.of(WorkerLogged) if "connection" in event.text.lower()]


# -- what breaks -------------------------------------------------------------------------------------------------------


def test_restart_keeps_persistent_messages_in_durable_queues():
    app = make_app()
    with Simulation(broker="rabbitmq") as sim:
        worker = sim.start_worker(app)
        worker.stop()
        app.tasks["plain"].delay()
        app.tasks["plain"].apply_async(delivery_mode=1)
        assert sim.broker.queue("celery").messages_ready == 2

        sim.broker.restart()

        assert sim.broker.queue("celery").messages_ready == 1
        worker.restart()
        sim.run()
        assert sorted(sim.states) == ["PENDING", "SUCCESS"]
        (lost,) = held(sim).values()
        assert lost == ("RabbitMQ dropped its message: the server was restarted, and the message is not persistent")


def test_killed_worker_gives_its_messages_back_at_once_and_another_one_takes_them():
    app = make_app(task_acks_late=True)
    with Simulation(broker="rabbitmq") as sim:
        first = sim.start_worker(app)
        app.tasks["plain"].apply_async(countdown=60)
        sim.run_for("1 second")
        sim.start_worker(app)
        assert sim.broker.queue("celery").messages_unacknowledged == 1

        first.kill()
        sim.run()

        assert started_s(sim) == [60.0]
        assert [event.worker for event in sim.trace.of(TaskReceived)] == ["worker-1", "worker-2"]


@pytest.mark.parametrize("how", ["cut_connections", "close_connections", "restart"])
def test_worker_reconnects_and_goes_on(how):
    app = make_app()
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        getattr(sim.broker, how)()
        sim.run_for("10 seconds")
        app.tasks["plain"].delay()
        sim.run()

        assert sim.states == {"SUCCESS": 1}
        assert next(fired.verb for fired in sim.trace.of(FaultFired)) in (how, "stop")


def test_parted_worker_loses_its_messages_when_heartbeats_fail():
    """The server looks each 60 s, and gives up at the third look without a word: after two to three minutes."""
    app = make_app(task_acks_late=True)
    with Simulation(broker="rabbitmq") as sim:
        worker = sim.start_worker(app)
        app.tasks["plain"].apply_async(countdown=3600)
        sim.run_for("1 second")

        sim.broker.partition(worker)
        sim.run_for("1 minute")
        assert sim.broker.queue("celery").messages_unacknowledged == 1
        sim.run_for("2 minutes")
        assert sim.broker.queue("celery").messages_ready == 1


def test_deleted_queue_cancels_its_consumer_and_the_worker_declares_it_again():
    app = make_app()
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        sim.run_for("1 second")
        sim.broker.delete_queue("celery")
        sim.run_for("10 seconds")
        app.tasks["plain"].delay()
        sim.run()

        assert sim.states == {"SUCCESS": 1}


def test_alarm_blocks_publishers_until_it_is_cleared():
    app = make_app()
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        app.tasks["plain"].delay()
        sim.run()

        sim.broker.raise_alarm()
        app.tasks["plain"].delay()
        sim.run_for("1 minute")
        assert sim.states == {"SUCCESS": 1, "PENDING": 1}

        sim.broker.clear_alarm()
        sim.run()
        assert sim.states == {"SUCCESS": 2}


def test_locked_queue_is_refused_with_405():
    app = make_app()
    with Simulation(broker="rabbitmq") as sim:
        worker = sim.start_worker(app)
        worker.stop()
        sim.broker.lock_queue("celery")

        with app.connection_for_read() as connection, pytest.raises(amqp.exceptions.ResourceLocked):
            connection.default_channel.basic_get("celery")

        sim.broker.unlock_queue("celery")
        worker.restart()


def test_retry_to_a_queue_that_is_not_bound_is_told_as_unroutable():
    app = make_app(task_create_missing_queues=False)

    @app.task(name="astray", bind=True, shared=False)
    def astray(self):
        raise self.retry(countdown=1, exchange="amq.direct", routing_key="nobody")

    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        sent = astray.delay()
        sim.run()

        assert sim.states == {"RETRY": 1}
        assert held(sim)[sent.id] == (
            "RabbitMQ dropped its message: no queue is bound to exchange 'amq.direct' with routing key 'nobody'"
        )


@pytest.mark.parametrize("verb", ["drop", "duplicate", "delay", "fail"])
def test_faults_of_messages_strike_on_the_way_into_a_queue(verb):
    app = make_app(broker_connection_retry=True)
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        getattr(sim.broker, verb)(*(["5 seconds"] if verb == "delay" else []), task="plain")
        app.tasks["plain"].delay()
        sim.run()

        expected = {"drop": [], "duplicate": [0.0, 0.0], "delay": [5.0], "fail": [0.0]}
        assert started_s(sim) == expected[verb]


# -- the settings ------------------------------------------------------------------------------------------------------


def test_virtual_host_and_other_urls_of_the_app_lead_to_the_simulated_server():
    app = Celery("shop", broker="amqps://me:secret@rabbit-1/orders;amqp://rabbit-2/orders", set_as_current=False)
    app.conf.broker_use_ssl = True

    @app.task(name="plain", shared=False)
    def plain():
        return 1

    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        plain.delay()
        sim.run()

        assert sim.states == {"SUCCESS": 1}
        assert list(sim.broker._broker().server.hosts) == ["orders"]


def test_version_that_is_not_modelled_is_an_error_that_names_those_that_are():
    for make in (lambda: RabbitMQ(version="2.8"), lambda: Simulation(broker="rabbitmq:2.8")):
        with pytest.raises(InputError) as error:
            make()
        assert str(error.value) == "RabbitMQ 2.8 is not modelled; the versions that are: 3.10, 3.13, 4.0, 4.3"


def test_options_may_stand_after_the_version():
    text = "rabbitmq:4.0?consumer_timeout=none&permit_transient_queues=false"

    assert RabbitMQ.parse(text) == RabbitMQ(version="4.0", consumer_timeout=None, permit_transient_queues=False)
    with Simulation(broker=text) as sim:
        assert not sim.broker._broker().server.permit_transient_queues


def test_verbs_of_rabbitmq_need_a_rabbitmq():
    with Simulation(broker="memory") as sim, pytest.raises(InputError) as error:
        sim.broker.queue("celery")

    assert str(error.value) == (
        'sim.broker.queue is for RabbitMQ, and this broker is memory; write Simulation(broker="rabbitmq")'
    )


def test_unknown_queue_names_the_nearest():
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(make_app())
        with pytest.raises(InputError) as error:
            sim.broker.queue("celry")

    assert str(error.value) == "RabbitMQ has no queue 'celry'; did you mean 'celery'?"


def test_worker_cannot_start_where_transient_queues_are_refused_and_it_mingles():
    with Simulation(broker=RabbitMQ(permit_transient_queues=False)):
        app = make_app()
        with app.connection_for_write() as connection, pytest.raises(amqp.exceptions.InternalError):
            connection.default_channel.queue_declare("transient", durable=False)


def test_everything_is_put_back_after_the_simulation():
    import billiard.pool
    from celery.worker import components
    from kombu import transport

    before = (components._Hub, components._Timer, billiard.pool.Lock, transport.TRANSPORT_ALIASES["amqp"])
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(make_app())
        assert components._Hub is not before[0]

    assert (components._Hub, components._Timer, billiard.pool.Lock, transport.TRANSPORT_ALIASES["amqp"]) == before


def test_argument_that_is_accepted_and_not_modelled_is_warned_of_once():
    app = make_app(task_queues=[quorum("a", **{"x-delayed-retry-min": 1}), quorum("b", **{"x-delayed-retry-min": 2})])
    with Simulation(broker="rabbitmq") as sim, pytest.warns(UserWarning, match="simulated RabbitMQ") as warned:
        sim.start_worker(app)

    told = [str(warning.message) for warning in warned if "simulated RabbitMQ" in str(warning.message)]
    assert told == ["the simulated RabbitMQ accepts the queue argument x-delayed-retry-min and does nothing about it"]


def test_queue_argument_that_rabbitmq_refuses_is_its_own_error_through_py_amqp():
    app = make_app(task_queues=[quorum(**{"x-max-priority": 5})])
    with Simulation(broker="rabbitmq") as sim, pytest.raises(SimulationError):
        sim.start_worker(app)

    (logged,) = [event.text for event in sim.trace.of(WorkerLogged) if "PRECONDITION" in event.text]
    assert "invalid arg 'x-max-priority' for queue 'celery' in vhost '/' of queue type rabbit_quorum_queue" in logged


@pytest.mark.parametrize("how", ["cut_connections", "close_connections"])
def test_task_that_waits_in_a_worker_which_reconnected_keeps_the_run_alive(how):
    app = make_app()
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(app)
        getattr(sim.broker, how)()
        app.tasks["plain"].apply_async(countdown=30)
        sim.run()

        assert sim.states == {"SUCCESS": 1}
        assert started_s(sim) == [30]
