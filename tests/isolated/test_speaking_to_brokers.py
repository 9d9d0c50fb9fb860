"""An isolated pool process reaches brokers, results and other workers as any does."""

from __future__ import annotations

import os
import signal

import pytest
from celery import Celery
from celery.result import allow_join_result

import retrysim
from retrysim.errors import Deadlock

KINDS = {
    "memory": ("memory://", "cache+memory://"),
    "redis": ("redis://localhost:6379/0", "redis://localhost:6379/0"),
    "rabbitmq": ("amqp://", "rpc://"),
}


def app_on(kind):
    broker, backend = KINDS[kind]
    app = Celery("speaking", broker=broker, backend=backend, set_as_current=False)

    @app.task(shared=False)
    def one_more(number):
        return number + 1

    @app.task(shared=False)
    def join():
        result = one_more.delay(1)
        with allow_join_result():
            return result.get(timeout=60)

    @app.task(shared=False)
    def ping():
        return app.control.ping(timeout=1.0)

    @app.task(shared=False)
    def consume():
        with app.connection_for_read() as connection:
            queue = connection.SimpleQueue("own")
            queue.put({"a": 1})
            message = queue.get(timeout=5)
            message.ack()
            with pytest.raises(queue.Empty):
                queue.get(timeout=3)
        return message.payload

    return app, [join, ping, consume]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_joins_results_asks_workers_and_consumes(kind):
    app, tasks = app_on(kind)
    told = {}
    for isolated in (False, True):
        with retrysim.Simulation() as sim:
            sim.start_worker(app, concurrency=4, isolated=isolated)
            results = [task.delay() for task in tasks]
            sim.run()
            told[isolated] = [result.get() for result in results], sim.elapsed

    assert told[True] == told[False]
    assert told[True][0] == [2, [{"celery@worker-1": {"ok": "pong"}}], {"a": 1}]


def test_what_is_allowed_later_is_allowed_in_a_child(sim):
    app = Celery("later", broker="memory://", set_as_current=False)

    @app.task(shared=False)
    def call():
        import socket

        socket.create_connection(("127.0.0.1", 9), timeout=0.1)

    sim.start_worker(app, isolated=True)
    sim.allow("127.0.0.1:9")
    result = call.delay()
    sim.run()
    [failed] = [event for event in sim.trace if event.kind == "task-failed"]
    assert failed.task_id == result.id
    assert failed.exception.startswith(("ConnectionRefusedError", "TimeoutError"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("countdown", [None, 60])
def test_a_first_message_that_a_child_sends_arrives_though_the_child_dies(kind, countdown):
    broker, backend = KINDS[kind]
    client = Celery("client", broker=broker, backend=backend, set_as_current=False)
    told = {}
    for isolated in (False, True):
        app = Celery("first", broker=broker, backend=backend, set_as_current=False)

        @app.task(shared=False, name="first.one")
        def one():
            return 1

        @app.task(shared=False, name="first.send")
        def send(one=one):
            one.apply_async(countdown=countdown)
            os.kill(os.getpid(), signal.SIGKILL)

        with retrysim.Simulation() as sim:
            sim.start_worker(app, concurrency=2, isolated=isolated)
            client.send_task("first.send")
            sim.run()
            told[isolated] = [(task.name, task.timeline) for task in sim.tasks()]

    assert told[True] == told[False]
    assert told[True] == [("first.send", "FAILURE"), ("first.one", "1m SUCCESS" if countdown else "SUCCESS")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dies", [False, True])
def test_a_message_that_a_fault_delays_arrives_when_its_sender_has_died(kind, dies):
    broker, backend = KINDS[kind]
    traces = {}
    for isolated in (False, True):
        app = Celery("delayed", broker=broker, backend=backend, set_as_current=False)

        @app.task(shared=False, name="one")
        def one():
            return 1

        @app.task(shared=False, name="send")
        def send(one=one):
            one.delay()
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)

        with retrysim.Simulation() as sim:
            sim.start_worker(app, concurrency=2, isolated=isolated)
            sim.broker.delay("30s", task="one")
            send.delay()
            sim.run()
            assert [task.timeline for task in sim.tasks(name="one")] == ["30s SUCCESS"]
            traces[isolated] = [(event.at_ns, event.kind) for event in sim.trace]

    assert traces[True] == traces[False]


def test_a_child_does_not_wait_for_the_answers_of_an_earlier_simulation():
    """After a fork an app closes the connections of its results; here, one that waits for a reply."""
    earlier = Celery("earlier", broker="redis://localhost", backend="rpc://", set_as_current=False)
    with retrysim.Simulation() as sim:
        sim.start_worker(earlier)
        with pytest.raises(Deadlock):
            earlier.AsyncResult("that nobody sends").get()
    app = Celery("later", broker="memory://", set_as_current=False)

    @app.task(name="answer", shared=False)
    def answer():
        return 42

    with retrysim.Simulation() as sim:
        sim.start_worker(app, isolated=True)
        answer.delay()
        sim.run()

        assert sim.states == {"SUCCESS": 1}
