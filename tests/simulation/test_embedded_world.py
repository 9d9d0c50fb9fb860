"""The world of ``--retrysim-worker`` leaves nothing behind."""

import threading
import time
from datetime import UTC, datetime

import celery.concurrency
import kombu.asynchronous.hub
import pytest
import redis
from celery import Celery, _state
from celery.backends.redis import RedisBackend
from celery.concurrency.base import BasePool
from celery.contrib.testing import worker as contrib
from celery.worker.consumer import Consumer
from kombu import transport

from retrysim.simulation.embedded import EmbeddedWorld

START = datetime(2026, 1, 1, tzinfo=UTC)


def patched_things():
    names = [(contrib, "threading"), (celery.concurrency, "get_implementation"), (BasePool, "Timer"), (time, "sleep")]
    names += [(Consumer, "call_soon"), (RedisBackend, "ResultConsumer"), (redis.ConnectionPool, "make_connection")]
    names += [(redis.BlockingConnectionPool, "make_connection"), (threading.Thread, "start")]
    names += [(kombu.asynchronous.hub, "_current_loop"), (_state, "default_app")]
    return [vars(owner)[name] for owner, name in names] + [transport.TRANSPORT_ALIASES["redis"]]


@pytest.fixture
def app():
    return Celery("embedded", broker="redis://localhost:1024/0", backend="redis://localhost:1024/0")


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_everything_is_given_back(app, error):
    before = patched_things()
    try:
        with EmbeddedWorld(seed=0, start=START) as world:
            world.start_time()
            with contrib.start_worker(app, perform_ping_check=False):
                if error is not None:
                    raise error
    except (ValueError, KeyboardInterrupt):
        pass
    finally:
        _state.set_default_app(None)

    after = patched_things()
    assert [a for a, b in zip(after, before, strict=True) if a is not b and a is not None] == []


def test_the_urls_of_the_app_stay_and_no_server_is_needed(app):
    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        with contrib.start_worker(app, pool="prefork", perform_ping_check=False):
            assert app.conf.broker_url == "redis://localhost:1024/0"
            assert app.backend.as_uri() == "redis://localhost:1024/0"
            assert app.control.ping(timeout=1)
        assert datetime.now(UTC).date() == START.date()


def test_a_fake_of_the_tests_own_is_let_be(app):
    import fakeredis

    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        mine = fakeredis.FakeStrictRedis()
        mine.set("key", "mine")
        redis.Redis().set("key", "simulated")

        assert mine.get("key") == b"mine"
        assert redis.Redis(host="elsewhere", port="6380").get("key") == b"simulated"
