"""An app keeps its transport options and its database; what it publishes lies where a real kombu puts it."""

import json
import socket

import pytest
from kombu import Exchange, Queue
from redis_apps import START, make_app, seconds_of

from retrysim import Simulation


@pytest.fixture(scope="module")
def app():
    return make_app()


def test_the_app_sees_a_redis_url_with_its_own_database_and_no_secret(sim, app):
    sim.start_worker(app)

    assert app.conf.broker_url == "redis://simulation:6379/3"
    assert app.connection_for_write().password is None
    assert app.backend.as_uri() == "redis://simulation:6379/4"


def test_a_message_lies_in_the_list_of_its_queue(sim, app):
    sim.start_worker(app, queues=["another"])
    result = app.tasks["add"].delay(1, 1)

    (message,) = sim.broker.client_of(3).lrange("celery", 0, -1)
    assert json.loads(message)["headers"]["id"] == result.id
    assert sim.broker.waiting() == {"celery": [result.id]}


def test_a_high_priority_overtakes(sim, app):
    worker = sim.start_worker(app, prefetch_multiplier=1)
    app.tasks["late_nap"].delay(10)
    sim.run_for(1)
    results = [app.tasks["late_nap"].apply_async((10,), priority=priority) for priority in (9, 3, 0, 6)]
    sim.run()

    started = [event.task_id for event in sim.trace if event.kind == "task-started"][1:]
    assert started == [results[index].id for index in (2, 1, 3, 0)]
    assert worker.name == "worker-1"


def test_priorities_have_lists_of_their_own(sim, app):
    sim.start_worker(app, queues=["another"])
    for priority in (0, 4, 9):
        app.tasks["add"].apply_async((1, 1), priority=priority)

    keys = sorted(key for key in sim.broker.client_of(3).scan_iter() if key.startswith(b"celery"))
    assert keys == [b"celery", b"celery\x06\x163", b"celery\x06\x169"]


def test_every_key_carries_the_global_keyprefix():
    app = make_app(broker_transport_options={"global_keyprefix": "shop:"})
    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)
        app.tasks["nap"].delay(10)
        app.tasks["late_nap"].delay(10)
        waits = app.tasks["add"].apply_async((1, 1), queue="nobody's")
        sim.run_for(1)
        keys = sorted(sim.broker.client_of(3).keys())
        waiting = sim.broker.waiting()
        sim.run()

        assert sim.states == {"SUCCESS": 2, "PENDING": 1}
    assert b"shop:unacked" in keys
    assert b"shop:nobody's" in keys
    assert [key for key in keys if not key.startswith(b"shop:")] == []
    assert waiting == {"nobody's": [waits.id]}


def test_control_commands_go_to_all_workers_by_fanout(sim, app):
    for _ in range(3):
        sim.start_worker(app)
    sim.run_for(1)

    assert list(app.control.inspect(timeout=1).ping()) == ["celery@worker-1", "celery@worker-2", "celery@worker-3"]


def test_a_message_goes_to_every_queue_that_is_bound_to_its_key(sim):
    news = Exchange("news")
    queues = [Queue(name, news, routing_key=key) for name, key in (("b", "sport"), ("a", "sport"), ("c", "arts"))]
    app = make_app(task_queues=queues)
    sim.start_worker(app, queues=["another"])
    for queue in queues:
        queue(app.connection_for_write().channel()).declare()
    result = app.tasks["add"].apply_async((1, 1), exchange="news", routing_key="sport")

    assert sim.broker.waiting() == {"a": [result.id], "b": [result.id]}


def test_channels_are_polled_in_the_order_in_which_they_were_opened(sim, app):
    sim.start_worker(app)
    with app.connection_for_read() as connection:
        channels = [connection.channel() for _ in range(30)]

        assert [channel for channel in connection.transport.cycle._channels if channel in channels] == channels


def test_simulations_one_after_the_other_do_not_see_each_other(app):
    ids = []
    for _ in range(2):
        with Simulation(broker="redis", start=START) as sim:
            sim.start_worker(app, queues=["another"])
            assert sim.broker.waiting() == {}
            ids.append(app.tasks["add"].delay(1, 1).id)

    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)
        sim.run()
        assert sim.states == {}
    assert ids[0] == ids[1]


def test_no_packet_leaves(app, monkeypatch):
    def real(*_args, **_kwargs):
        raise AssertionError("a real socket")

    for name in ("getaddrinfo", "create_connection", "socketpair"):
        monkeypatch.setattr(socket, name, real)
    monkeypatch.setattr(socket.socket, "connect", real)
    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)

        assert app.tasks["lucky"].delay(60).get() == "at last"
        assert app.control.inspect(timeout=1).ping() == {"celery@worker-1": {"ok": "pong"}}
    assert seconds_of(sim, "task-started") == [0.0, 60.0]


def test_credentials_and_tls_of_the_real_server_are_left_out():
    app = make_app(broker_use_ssl={"ssl_cert_reqs": 0}, broker_password="secret", redis_backend_use_ssl=None)
    app.conf.broker_url = "rediss://user:secret@nobody.example:6380/5"

    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)

        assert app.tasks["add"].delay(1, 1).get() == 2
        assert app.conf.broker_url == "redis://simulation:6379/5"


def test_an_app_made_for_another_broker_runs_on_redis_too():
    app = make_app()
    app.conf.broker_url = "amqp://guest@nobody.example//"
    app.conf.broker_transport_options = {"confirm_publish": True}

    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app)

        assert app.tasks["add"].delay(1, 1).get() == 2
        assert app.conf.broker_url == "redis://simulation:6379/0"
