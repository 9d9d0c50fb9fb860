"""No message of any app leaves a simulation, from its first line on: an app is borrowed when it first speaks."""

import asyncio
import socket
import threading
from pathlib import Path

import kombu
import pytest
import redis
import redis.asyncio
from celery import Celery, _state, shared_task
from celery.events import EventReceiver

from retrysim import Simulation
from retrysim.errors import AppError, InputError, UnservedHost


def line_of(source):
    """The number of the first line of this file that reads so."""
    return Path(__file__).read_text().splitlines().index(source) + 1


BROKERS = ["redis://broker.invalid:6390/0", "amqp://broker.invalid:5673//"]


@pytest.fixture(params=BROKERS)
def app(request):
    app = Celery("shop", broker=request.param, backend="redis://results.invalid:6391/1", set_as_current=False)

    @app.task(name="shop.push", shared=False)
    def push(number):
        return number

    return app


@pytest.fixture(autouse=True)
def no_connection(monkeypatch):
    """Every real socket and name that is asked for: none may be."""
    seen = []

    def refuse(*args, **_options):
        seen.append(args)
        raise AssertionError(f"a real connection: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert seen == []


@pytest.mark.parametrize("broker", [None, "redis", "memory"])
def test_a_task_that_is_sent_before_its_worker_starts_waits_for_it(app, broker):
    with Simulation(broker=broker) as sim:
        results = [app.tasks["shop.push"].delay(number) for number in range(5)]
        sim.start_worker(app)
        sim.run()

        assert [result.get() for result in results] == [0, 1, 2, 3, 4]


def test_send_task_and_a_second_app_inside_a_task_stay_here(app):
    other = Celery("other", broker="amqp://elsewhere.invalid//", set_as_current=False)

    @app.task(name="shop.forward", shared=False)
    def forward():
        return other.send_task("other.work", queue="elsewhere").id

    with Simulation() as sim:
        sim.start_worker(app)
        sent = forward.delay().get()

        assert sim.queue("elsewhere").task_ids == (sent,)


@shared_task(name="shared.push")
def shared_push():
    return "shared"


def test_a_shared_task_of_a_program_goes_to_the_app_that_runs(app):
    with Simulation() as sim:
        sim.start_worker(app)
        sim.start_program(lambda: shared_push.delay())
        sim.run()

        assert sim.states == {"SUCCESS": 1}


def test_a_shared_task_without_an_app_reaches_no_default_broker(monkeypatch):
    monkeypatch.setattr(_state._tls, "current_app", None)
    monkeypatch.setattr(_state, "default_app", None)
    with Simulation() as sim:
        shared_push.delay()

        assert sim.queue("celery").depth == 1
    assert _state.default_app is None


def test_a_thread_of_the_test_publishes_here(app):
    with Simulation() as sim:
        thread = threading.Thread(target=lambda: app.tasks["shop.push"].delay(1))
        thread.start()
        thread.join()

        assert sim.queue("celery").depth == 1


def test_control_commands_and_events_stay_here(app):
    with Simulation() as sim:
        app.control.revoke("some-task")
        assert app.control.inspect(timeout=1).ping() is None
        with app.events.default_dispatcher() as dispatcher:
            dispatcher.send("worker-online")
        EventReceiver(app.connection(), app=app)
        sim.start_worker(app)


def test_a_result_of_before_is_asked_here(app):
    result = app.AsyncResult("from-before")
    with Simulation():
        again = app.AsyncResult("from-before")
        assert again.state == "PENDING"
        if not isinstance(result.backend, type(again.backend)):
            with pytest.raises(UnservedHost, match=r"the test connects to a real Redis at results\.invalid"):
                _ = result.state


def test_an_app_with_a_broker_that_is_not_simulated_is_refused_before_it_publishes():
    app = Celery("queue", broker="filesystem://", set_as_current=False)
    with Simulation(), pytest.raises(AppError, match="has a broker of the kind 'filesystem', which is not simulated"):
        app.send_task("work")


def test_tasks_that_run_eagerly_are_announced_before_they_are_sent(app):
    with Simulation() as sim:
        app.send_task("shop.push", args=(1,))
        with pytest.raises(InputError) as told:
            sim.run_eagerly(app)
    assert str(told.value) == (
        "the app 'shop' has used its broker or its results already: say first that tasks run eagerly, then submit them"
    )


def test_after_the_simulation_the_app_has_its_own_broker_again(app):
    before = vars(app).copy()
    url = app.conf.broker_url
    with Simulation():
        app.tasks["shop.push"].delay(1)
    assert app.conf.broker_url == url
    assert isinstance(vars(Celery)["pool"], property)
    assert vars(app)["amqp"] is before.get("amqp", vars(app)["amqp"])


# -- below Celery ------------------------------------------------------------------------------------------------------

REFUSED = """\
the test connects to a real broker: {kind} at broker.invalid:{port}
  at test_messages.py:{line}: {source}
  Only Celery apps are given the simulated broker, and kombu where the URL names its kind. \
If the real one is meant: sim.allow("broker.invalid:{port}")"""


@pytest.mark.parametrize(
    ("url", "kind", "port"),
    [("redis://broker.invalid:6390/0", "redis", 6390), ("amqp://broker.invalid//", "amqp", 5672)],
)
def test_kombu_itself_is_refused_in_one_sentence(url, kind, port):
    with Simulation(), kombu.Connection(url) as connection, pytest.raises(UnservedHost) as told:
        connection.connect()
    assert str(told.value) == REFUSED.format(
        kind=kind, port=port, line=line_of("        connection.connect()"), source="connection.connect()"
    )


def test_kombu_with_the_simulated_kind_of_broker_is_answered():
    with (
        Simulation(broker="redis"),
        kombu.Connection("redis://broker.invalid:6390/0") as connection,
        connection.SimpleQueue("letters") as queue,
    ):
        queue.put("hello")
        assert queue.get(timeout=1).payload == "hello"


REDIS = """\
the test connects to a real Redis at cache.invalid:6390
  at test_messages.py:{line}: {source}
  Let the simulated Redis answer: Simulation(redis=True), `redis: true` in a scenario, or let it be real: sim.allow("cache.invalid:6390")"""


def test_a_client_of_redis_is_refused_outside_of_tasks_too():
    client = redis.Redis(host="cache.invalid", port=6390)
    with Simulation(), pytest.raises(UnservedHost) as told:
        client.set("key", "value")
    assert str(told.value) == REDIS.format(
        line=line_of('        client.set("key", "value")'), source='client.set("key", "value")'
    )


def test_so_is_one_of_asyncio():
    client = redis.asyncio.Redis(host="cache.invalid", port=6390)
    with Simulation(), pytest.raises(UnservedHost) as told:
        asyncio.run(client.set("key", "value"))
    assert str(told.value).startswith("the test connects to a real Redis at cache.invalid:6390\n")
