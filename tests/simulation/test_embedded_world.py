"""The world of ``--retrysim-worker`` leaves nothing behind."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import amqp
import celery.concurrency
import kombu.asynchronous.hub
import pytest
import redis
from celery import Celery, _state, group, signals
from celery.backends.redis import RedisBackend
from celery.concurrency.base import BasePool
from celery.contrib.testing import worker as contrib
from celery.worker.consumer import Consumer
from kombu import transport

from retrysim.simulation.embedded import EmbeddedWorld

START = datetime(2026, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("logging_is_left_alone")


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
    before, default_app = patched_things(), _state.default_app
    try:
        with EmbeddedWorld(seed=0, start=START) as world:
            world.start_time()
            with contrib.start_worker(app, perform_ping_check=False):
                if error is not None:
                    raise error
    except (ValueError, KeyboardInterrupt):
        pass
    finally:
        _state.set_default_app(default_app)

    after = patched_things()
    assert [a for a, b in zip(after, before, strict=True) if a is not b] == []


def test_the_urls_of_the_app_stay_and_no_server_is_needed(app):
    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        with contrib.start_worker(app, pool="prefork", perform_ping_check=False):
            assert app.conf.broker_url == "redis://localhost:1024/0"
            assert app.backend.as_uri() == "redis://localhost:1024/0"
            assert app.control.ping(timeout=1)
        assert datetime.now(UTC).date() == START.date()


def test_a_second_world_uses_no_connection_of_the_first():
    for _ in range(2):
        app = Celery("embedded", broker="redis://localhost:1024/0", backend="redis://localhost:1024/0")

        @app.task(shared=False)
        def add():
            return 3

        with EmbeddedWorld(seed=0, start=START) as world:
            world.start_time()
            with contrib.start_worker(app, pool="prefork", perform_ping_check=False):
                assert app.control.ping(timeout=1)
                assert add.delay().get(timeout=5) == 3


def test_a_fake_of_the_tests_own_is_let_be(app):
    import fakeredis

    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        mine = fakeredis.FakeStrictRedis()
        mine.set("key", "mine")
        redis.Redis().set("key", "simulated")

        assert mine.get("key") == b"mine"
        assert redis.Redis(host="elsewhere", port="6380").get("key") == b"simulated"


@pytest.fixture
def app_by_rpc(request):
    """kombu keeps its pools by URL: each test has a virtual host of its own."""
    app = Celery("embedded", broker=f"amqp://localhost:1026/{request.node.name}", backend="rpc://")

    @app.task(shared=False)
    def double(number):
        return 2 * number

    @app.task(shared=False)
    def fan_out():
        group(double.s(1), double.s(2)).delay()

    return app


def test_pool_process_reads_results_by_rpc_from_a_queue_of_its_own(app_by_rpc):
    double, fan_out = (app_by_rpc.tasks[f"{__name__}.{name}"] for name in ("double", "fan_out"))

    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        with contrib.start_worker(app_by_rpc, pool="prefork", perform_ping_check=False):
            fan_out.delay().get(timeout=5)
            doubled = [double.delay(number).get(timeout=5) for number in range(4)]

    assert doubled == [0, 2, 4, 6]


def test_the_queue_of_the_results_of_an_app_goes_with_the_app(app_by_rpc):
    """Celery names it by the app's ``id()``, which comes again."""
    names = []

    def ask():
        client = Celery("client", broker=app_by_rpc.conf.broker_url, backend="rpc://", set_as_current=False)
        names.append(client.thread_oid)
        return client.send_task(f"{__name__}.double", (4,)).get(timeout=5)

    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        with contrib.start_worker(app_by_rpc, pool="prefork", perform_ping_check=False):
            assert ask() == 8
            gc.collect()
            with app_by_rpc.connection() as connection, pytest.raises(amqp.NotFound):
                connection.default_channel.queue_declare(names[0], passive=True)


def test_thread_of_the_test_publishes_by_a_connection_that_a_worker_has_opened(app_by_rpc):
    double, fan_out = (app_by_rpc.tasks[f"{__name__}.{name}"] for name in ("double", "fan_out"))

    def publish():
        with app_by_rpc.producer_pool.acquire(block=True) as one, app_by_rpc.producer_pool.acquire(block=True) as other:
            return [double.apply_async((number,), producer=producer) for number, producer in enumerate((one, other))]

    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        with (
            contrib.start_worker(app_by_rpc, pool="solo", perform_ping_check=False),
            ThreadPoolExecutor(1) as threads,
        ):
            with app_by_rpc.producer_pool.acquire(block=True) as held:
                fan_out.apply_async(producer=held).get(timeout=5)
            sent = threads.submit(publish).result(timeout=10)

            assert [result.get(timeout=5) for result in sent] == [0, 2]


def test_a_worker_on_the_memory_transport_looks_each_second_and_work_takes_time():
    app = Celery("polled", broker="memory://", backend="cache+memory://", set_as_current=False)
    begun, lasted, before = [], [], {}

    @app.task(name="note", shared=False)
    def note():
        begun.append(time.monotonic())

    def ended(task_id, **_named):
        lasted.append(time.monotonic() - before[task_id])

    def begins(task_id, **_named):
        before[task_id] = time.monotonic()

    signals.task_prerun.connect(begins)
    signals.task_postrun.connect(ended)
    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        with contrib.start_worker(app, perform_ping_check=False):
            for _ in range(3):
                time.sleep(1.25)
                note.delay()
            time.sleep(2)

    first, second, third = begun
    assert (second - first) % 1 == pytest.approx(0, abs=0.01)  # and not 1.25 s after each other, as they were sent
    assert (third - first) % 1 == pytest.approx(0, abs=0.01)
    assert len(lasted) == 3
    assert all(0 < seconds < 0.01 for seconds in lasted)


def test_the_signal_to_set_up_logging_comes_once_before_the_worker_starts(app):
    heard = []

    def hear(sender, signal=None, **how):
        heard.append((how["loglevel"], how["logfile"]))

    signals.setup_logging.connect(hear)
    with EmbeddedWorld(seed=0, start=START) as world:
        world.start_time()
        with contrib.start_worker(app, pool="prefork", loglevel="info", perform_ping_check=False):
            assert heard == [(20, None)]

    assert heard == [(20, None)]
