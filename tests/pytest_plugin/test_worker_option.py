"""``--retrysim-worker`` in real pytest runs of projects that know nothing of retrysim."""

import textwrap

import pytest

from retrysim.pytest_plugin.after_import import after_import
from retrysim.undo import UndoStack

pytestmark = pytest.mark.slow

APP = """
import threading
import time
from celery import Celery

app = Celery("proj", broker="redis://localhost:6390/0", backend="redis://localhost:6390/1")
started = threading.Event()

@app.task(bind=True)
def lucky(self):
    if not self.request.retries:
        raise self.retry(countdown=900)
    return "at last"

@app.task
def nap(seconds):
    started.set()
    time.sleep(seconds)
    return seconds
"""


@pytest.fixture
def project(pytester):
    pytester.makepyfile(proj=APP)
    pytester.makeconftest('pytest_plugins = ["celery.contrib.pytest"]')
    pytester.syspathinsert()
    return pytester


def run(project, test, *options):
    project.makepyfile(test_it=textwrap.dedent(test))
    return project.runpytest_subprocess("--retrysim-worker", "-p", "no:randomly", "-p", "no:cacheprovider", *options)


def test_a_worker_fixture_on_the_memory_transport_waits_in_virtual_time(project):
    result = run(
        project,
        """
        import time

        def test_retry(celery_app, celery_worker):
            @celery_app.task(bind=True)
            def lucky(self):
                if not self.request.retries:
                    raise self.retry(countdown=900)
                return "at last"

            celery_worker.reload()
            began = time.monotonic()
            assert lucky.delay().get(timeout=1000) == "at last"
            assert 900 <= time.monotonic() - began < 902
        """,
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["retrysim: 1 tests with Celery's workers, 15m* of virtual time"])


def test_a_session_worker_serves_all_tests_on_a_redis_that_is_not_there(project):
    result = run(
        project,
        """
        import time
        import pytest
        import redis

        @pytest.fixture(scope="session")
        def celery_config():
            return {"broker_url": "redis://localhost:6390/0", "result_backend": "redis://localhost:6390/0"}

        @pytest.fixture(scope="session")
        def celery_worker_pool():
            return "prefork"

        @pytest.fixture(scope="session", autouse=True)
        def tasks(celery_session_app):
            @celery_session_app.task(name="push")
            def push(countdown):
                time.sleep(countdown)
                redis.Redis(port=6390).rpush("done", countdown)

        @pytest.mark.usefixtures("celery_session_worker")
        def test_blocks_on_its_own_client(celery_session_app):
            assert celery_session_app.conf.broker_url == "redis://localhost:6390/0"
            began = time.time()
            celery_session_app.send_task("push", (60,))
            assert redis.StrictRedis(port=6390, socket_timeout=None).blpop("done", timeout=100) == (b"done", b"60")
            assert 60 <= time.time() - began < 60.1

        @pytest.mark.usefixtures("celery_session_worker")
        def test_keys_expire(celery_session_app):
            client = redis.Redis(port=6390)
            client.set("key", "value", ex=10)
            assert client.ttl("key") == 10
            time.sleep(11)
            assert client.get("key") is None

        def test_the_worker_answers_and_its_pool_is_prefork(celery_session_app, celery_session_worker):
            [stats] = celery_session_app.control.inspect().stats().values()
            assert stats["pool"]["max-concurrency"] == 1
            assert celery_session_worker.consumer.qos.value == 4
            assert "push" in celery_session_worker.consumer.strategies

        @pytest.mark.usefixtures("celery_session_worker")
        def test_a_busy_loop_ends(celery_session_app):
            result = celery_session_app.send_task("push", (1,))
            while not result.ready():
                pass
            assert result.successful()
        """,
    )

    result.assert_outcomes(passed=4)


def test_start_worker_imported_by_name_with_every_pool(project):
    result = run(
        project,
        """
        import threading
        import time
        import pytest
        from celery.contrib.testing.worker import start_worker
        from proj import app, lucky, nap, started

        @pytest.mark.parametrize("pool", ["solo", "prefork", "threads"])
        def test_twice(pool):
            for _ in range(2):
                with start_worker(app, pool=pool, perform_ping_check=False):
                    began = time.time()
                    assert lucky.delay().get(timeout=1000) == "at last"
                    assert 900 <= time.time() - began < 901

        def test_waits_for_an_event_and_for_a_thread():
            with start_worker(app, perform_ping_check=False):
                got = []
                result = nap.apply_async((30,), countdown=30)
                thread = threading.Thread(target=lambda: got.append(result.get(timeout=100)))
                thread.start()
                assert started.wait(timeout=31)
                assert not got
                thread.join()
                assert got == [30]
        """,
    )

    result.assert_outcomes(passed=4)


def test_events_and_heartbeats_reach_a_receiver(project):
    result = run(
        project,
        """
        import socket
        from celery.contrib.testing.worker import start_worker
        from proj import app, nap

        def test_events():
            heard = []
            options = {"perform_ping_check": False, "without_heartbeat": False, "task_events": True}
            with start_worker(app, **options), app.connection() as connection:
                receiver = app.events.Receiver(connection, handlers={"*": lambda event: heard.append(event["type"])})
                consume = receiver.itercapture(limit=None, timeout=5)
                nap.delay(1)
                for _ in range(8):
                    next(consume, None)
            assert {"worker-heartbeat", "task-received", "task-started", "task-succeeded"} <= set(heard)
        """,
    )

    result.assert_outcomes(passed=1)


def test_celery_is_not_imported_before_the_test_does_it(project):
    project.makeconftest("import sys; assert 'celery' not in sys.modules")

    result = run(
        project,
        """
        import sys

        def test_instruments_celery_first():
            assert not [name for name in sys.modules if name.partition(".")[0] in ("celery", "kombu")]
            import celery.app.trace
            celery.app.trace.instrumented = True
            from celery.contrib.testing.worker import start_worker
            from proj import app, lucky
            with start_worker(app, perform_ping_check=False):
                assert lucky.delay().get() == "at last"
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_test_without_a_worker_keeps_the_real_clocks(project):
    result = run(
        project,
        """
        import time
        from celery.contrib.testing.worker import start_worker
        from proj import app, lucky

        REAL = (time.sleep,)  # a tuple keeps what it holds  # in a container: names that a module holds are replaced

        def test_virtual():
            with start_worker(app, perform_ping_check=False):
                assert time.sleep is not REAL[0]

        def test_real():
            assert time.sleep is REAL[0]
        """,
    )

    result.assert_outcomes(passed=2)


def test_the_simulated_servers_answer_from_the_start_of_the_session(project):
    """A test before the first worker, and a fixture of another kind: on the old code both asked a real server."""
    result = run(
        project,
        """
        import pytest
        import redis
        from proj import app

        client = redis.Redis(host="cache.invalid", port=6390)
        client.set("by", "the import")

        @pytest.fixture(scope="session")
        def filled():
            client.set("also by", "a fixture")

        def test_without_a_worker(filled):
            assert (client.get("by"), client.get("also by")) == (b"the import", b"a fixture")
            app.send_task("anything")

        def test_asyncio_is_refused():
            import asyncio
            import redis.asyncio
            from retrysim import UnservedHost

            with pytest.raises(UnservedHost, match="the test connects to a real Redis at cache.invalid:6390"):
                asyncio.run(redis.asyncio.Redis(host="cache.invalid", port=6390).ping())
        """,
    )

    result.assert_outcomes(passed=2)


def test_a_server_on_a_low_port_is_down(project):
    result = run(
        project,
        """
        import pytest
        import redis

        def test_down(celery_app):
            with pytest.raises(redis.ConnectionError, match="Connection refused"):
                redis.Redis(port=1).ping()
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_test_waits_for_a_program_as_long_as_it_really_runs(project):
    result = run(
        project,
        """
        import subprocess, sys, time

        def test_waits(celery_app, celery_worker):
            before = time.monotonic()
            program = subprocess.Popen([sys.executable, "-c", "import celery.bin.celery"])
            assert program.wait(timeout=30) == 0
            assert time.monotonic() - before < 1

        def test_polls(celery_app, celery_worker, tmp_path):
            made, deadline = tmp_path / "made", time.monotonic() + 30
            program = subprocess.Popen([sys.executable, "-c", f"import celery.bin.celery; open({str(made)!r}, 'w')"])
            while not made.exists():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            program.wait()
        """,
    )

    result.assert_outcomes(passed=2)


def test_a_wait_for_what_never_comes_is_a_deadlock_not_a_hang(project):
    result = run(
        project,
        """
        import threading

        def test_hangs(celery_app, celery_worker):
            threading.Event().wait()
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*Deadlock: the test waits for a threading.Condition to be notified, but nothing is left that could do it"]
    )


def test_a_thread_started_before_the_first_fixture_of_celery_is_told_to_start_later(project):
    result = run(
        project,
        """
        import queue
        import threading

        import pytest

        JOBS, ERRORS = queue.Queue(), []

        @pytest.fixture(scope="session")
        def celery_config():
            return {"broker_url": "redis://nobody.example/0", "result_backend": "redis://nobody.example/1"}

        @pytest.fixture(scope="session", autouse=True)
        def sender():
            def send():
                try:
                    JOBS.get()().get()
                except Exception as error:
                    ERRORS.append(str(error))

            thread = threading.Thread(target=send)
            thread.start()
            return thread

        def test_it(sender, celery_app, celery_worker):
            @celery_app.task
            def one():
                return 1

            celery_worker.reload()
            JOBS.put(one.delay)
            sender.join(30)
            assert ERRORS == [
                "a thread that runs in real time waits for what happens in virtual time: "
                "start it after the first fixture of Celery's (celery_app, celery_worker), "
                "with a function of your own that waits for no socket and no process"
            ]
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_simulation_next_to_a_live_session_worker_has_its_own_time(project):
    result = run(
        project,
        """
        import time

        from celery import Celery

        def test_one(celery_session_app, celery_session_worker):
            pass

        def test_two(sim):
            app = Celery("own", broker="redis://nobody.example/0", backend="redis://nobody.example/1")

            @app.task(shared=False)
            def slow():
                time.sleep(60)
                return time.time()

            sim.start_worker(app)
            began = time.time()
            assert slow.delay().get() == began + 60

        def test_three(celery_session_app, celery_session_worker):
            @celery_session_app.task
            def one():
                return 1

            celery_session_worker.reload()
            assert one.delay().get(timeout=10) == 1
        """,
    )

    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_seed_decides_the_task_ids(project, seed):
    test = """
        def test_id(celery_app, celery_worker):
            @celery_app.task
            def noop():
                pass
            print("ID", noop.delay().id)
        """

    first, second = (run(project, test, f"--retrysim-seed={seed}", "-s").stdout.str() for _ in range(2))

    ids = [next(line for line in out.splitlines() if "ID " in line) for out in (first, second)]
    assert ids[0] == ids[1]


def test_a_module_is_watched_until_the_undo(monkeypatch, tmp_path):
    (tmp_path / "watched_one.py").write_text("x = 1")
    (tmp_path / "watched_two.py").write_text("x = 2")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    with UndoStack() as undo:
        after_import(undo, "watched_one", lambda module: seen.append(module.x))
        import watched_one  # noqa: F401

        after_import(undo, "watched_one", lambda module: seen.append("there already"))
        after_import(undo, "watched_two", lambda module: seen.append(module.x))
    import watched_two  # noqa: F401

    assert seen == [1, "there already"]


def test_threads_of_a_test_publish_to_a_rabbitmq_that_is_not_there(project):
    result = run(
        project,
        """
        from concurrent.futures import ThreadPoolExecutor
        import pytest

        @pytest.fixture(scope="session")
        def celery_config():
            return {"broker_url": "amqp://localhost:6391//", "result_backend": "rpc://"}

        @pytest.fixture(scope="session", autouse=True)
        def tasks(celery_session_app):
            @celery_session_app.task(name="double")
            def double(number):
                return 2 * number

        @pytest.mark.usefixtures("celery_session_worker")
        def test_each_of_them_gets_its_answers(celery_session_app):
            with ThreadPoolExecutor(8) as pool:
                results = list(pool.map(celery_session_app.tasks["double"].delay, range(20)))
            for result in results:
                result.get(timeout=10, disable_sync_subtasks=False)
        """,
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_an_event_loop_of_a_task_and_of_the_test_waits_in_virtual_time(project, pool):
    result = run(
        project,
        f"""
        import asyncio
        import pytest

        @pytest.fixture(scope="session")
        def celery_worker_pool():
            return {pool!r}

        async def nap(seconds):
            await asyncio.sleep(seconds)
            return await asyncio.get_running_loop().run_in_executor(None, lambda: seconds)

        @pytest.fixture(scope="session", autouse=True)
        def tasks(celery_session_app):
            @celery_session_app.task(name="nap")
            def nap_in_a_task():
                return asyncio.run(nap(900))

        def test_both(celery_session_app, celery_session_worker):
            assert celery_session_app.tasks["nap"].delay().get(timeout=1000) == 900
            assert asyncio.run(asyncio.wait_for(nap(900), timeout=1000)) == 900
        """,
    )

    result.assert_outcomes(passed=1)


def test_task_in_a_pool_process_of_the_session_catches_its_soft_time_limit(project):
    result = run(
        project,
        """
        import time
        import pytest
        from celery.exceptions import SoftTimeLimitExceeded

        @pytest.fixture(scope="session")
        def celery_worker_pool():
            return "prefork"

        @pytest.fixture(scope="session", autouse=True)
        def tasks(celery_session_app):
            @celery_session_app.task(name="guarded", soft_time_limit=1)
            def guarded():
                try:
                    time.sleep(100)
                except SoftTimeLimitExceeded:
                    return "caught"

        @pytest.mark.usefixtures("celery_session_worker")
        def test_limit(celery_session_app):
            assert celery_session_app.tasks["guarded"].delay().get(timeout=10) == "caught"
        """,
    )

    result.assert_outcomes(passed=1)


def test_tasks_of_a_session_connect_more_often_than_a_run_may(project):
    result = run(
        project,
        """
        import pytest
        import redis

        @pytest.fixture(scope="session", autouse=True)
        def tasks(celery_session_app):
            @celery_session_app.task(name="connect")
            def connect():
                for _ in range(1100):
                    with redis.Redis(port=6390) as client:
                        client.ping()

        @pytest.mark.usefixtures("celery_session_worker")
        def test_many(celery_session_app):
            celery_session_app.tasks["connect"].delay().get(timeout=100)
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_traceback_of_what_a_decorator_raises_has_no_frame_of_ours(project):
    project.makepyfile(
        """
        from unittest import mock

        @mock.patch("os.no_such_name")
        def test_patched(_):
            pass
        """
    )

    result = project.runpytest("--retrysim-worker")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *AttributeError: *no_such_name*"])
    result.stdout.no_fnmatch_line("*worker_option.py*")


def test_between_two_tests_xdist_waits_in_real_time(project):
    pytest.importorskip("xdist")
    project.makepyfile(
        """
        import pytest
        from celery.contrib.testing.worker import start_worker
        from proj import app, nap

        @pytest.mark.parametrize("seconds", range(6))
        def test_nap(seconds):
            with start_worker(app, perform_ping_check=False):
                assert nap.delay(seconds).get(timeout=10) == seconds
        """
    )

    result = project.runpytest_subprocess("--retrysim-worker", "-n", "2", "--maxschedchunk", "1")

    result.assert_outcomes(passed=6)
