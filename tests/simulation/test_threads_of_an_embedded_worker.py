"""With ``--retrysim-worker``, a worker that a suite starts is a thread of its own to the code of its tasks."""

import asyncio
import signal
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from celery import Celery
from celery.contrib.testing import worker as contrib

from retrysim.simulation.embedded import EmbeddedWorld

pytestmark = pytest.mark.usefixtures("logging_is_left_alone")
local = threading.local()


def look():
    """What code sees of the thread that it runs on; another thread may run before it returns."""
    ident, thread, before = threading.get_ident(), threading.current_thread(), getattr(local, "value", None)
    local.value = "a task's"
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    time.sleep(1)
    assert threading.get_ident() == ident == thread.ident
    assert local.value == "a task's"
    return SimpleNamespace(
        ident=ident,
        name=thread.name,
        is_main=thread is threading.main_thread(),
        is_known=thread in threading.enumerate(),
        before=before,
        loop=loop,
    )


@pytest.fixture
def looks():
    """What each task has seen, in the order in which they ended."""
    return []


@pytest.fixture
def task(looks, request):
    app = Celery("threads", broker="redis://localhost:1024/0", backend="redis://localhost:1024/0", set_as_current=False)

    @app.task(name="look", shared=False)
    def task():
        looks.append(look())

    local.value = "the test's"
    yield task
    del local.value


@pytest.fixture
def world():
    with EmbeddedWorld(seed=0, start=datetime(2026, 1, 1, tzinfo=UTC)) as world:
        world.start_time()
        yield world


def started(task, pool, concurrency=2):
    return contrib.start_worker(task.app, pool=pool, concurrency=concurrency, perform_ping_check=False)


POOLS = pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])


@POOLS
@pytest.mark.usefixtures("world")
def test_a_task_has_another_ident_than_the_test(task, looks, pool):
    with started(task, pool):
        task.delay().get(timeout=10)

    assert looks[0].ident != threading.get_ident()
    assert looks[0].is_main == (pool == "prefork")
    assert looks[0].is_known


@pytest.mark.parametrize(("pool", "name"), [("solo", r"(start)"), ("threads", "ThreadPoolExecutor-0_0")])
@pytest.mark.usefixtures("world")
def test_tasks_of_one_thread_of_a_pool_have_one_ident_and_share_its_locals(task, looks, pool, name):
    with started(task, pool):
        for _ in range(3):
            task.delay().get(timeout=10)

    assert len({seen.ident for seen in looks}) == 1
    assert [seen.before for seen in looks] == [None, "a task's", "a task's"]
    assert all(seen.name.endswith(name) for seen in looks)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
@pytest.mark.usefixtures("world")
def test_tasks_that_run_at_once_have_an_ident_and_locals_each(task, looks, pool):
    with started(task, pool):
        for result in [task.delay(), task.delay()]:
            result.get(timeout=10)

    assert len({threading.get_ident(), *(seen.ident for seen in looks)}) == 3
    assert [seen.before for seen in looks] == [None, None]


@POOLS
@pytest.mark.usefixtures("world")
def test_a_local_of_the_test_is_not_seen_in_a_task_nor_one_of_a_task_in_the_test(task, looks, pool):
    with started(task, pool):
        result = task.delay()
        time.sleep(0.5)  # the task has set it
        assert local.value == "the test's"
        result.get(timeout=10)

    assert looks[0].before is None
    assert local.value == "the test's"


@POOLS
@pytest.mark.usefixtures("world")
def test_no_loop_runs_in_a_task_while_the_test_is_in_a_coroutine(task, looks, pool):
    async def the_test():
        result = task.delay()
        await asyncio.sleep(0.5)
        result.get(timeout=10)
        assert asyncio.get_running_loop() is loop

    with started(task, pool), asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(the_test())

    assert [seen.loop for seen in looks] == [None]


@pytest.mark.usefixtures("world")
def test_a_task_runs_a_loop_of_its_own_while_the_test_is_in_a_coroutine(task):
    @task.app.task(name="nap", shared=False)
    def nap():
        return asyncio.run(asyncio.sleep(900, "rested"))

    async def the_test():
        result = nap.delay()
        while not result.ready():
            await asyncio.sleep(60)
        return result.get(timeout=10)

    with started(task, "solo"):
        assert asyncio.run(the_test()) == "rested"


@pytest.mark.usefixtures("world")
def test_a_virtual_thread_of_the_test_is_the_one_that_it_says_it_is(task, looks):
    def work():
        looks.append(look())

    thread = threading.Thread(target=work)
    with started(task, "solo"):
        thread.start()
        assert thread in threading.enumerate()
        thread.join(timeout=10)
        task.delay().get(timeout=10)

    assert looks[0].ident == thread.ident
    assert looks[0].before is None
    assert looks[0].ident != looks[1].ident
    assert thread not in threading.enumerate()


@POOLS
@pytest.mark.usefixtures("world")
def test_a_worker_that_has_ended_leaves_no_thread(task, pool):
    before = threading.enumerate()
    with started(task, pool):
        task.delay().get(timeout=10)
        assert len(threading.enumerate()) > len(before)
    after = [thread for thread in threading.enumerate() if not thread.name.endswith("(_monitor)")]  # of Celery's log

    assert after == before


@pytest.mark.parametrize("pool", ["solo", "threads"])
@pytest.mark.usefixtures("world")
def test_a_task_on_a_thread_of_the_test_installs_no_handler_of_a_signal(task, pool):
    @task.app.task(name="handle", shared=False)
    def handle():
        signal.signal(signal.SIGALRM, print)

    with started(task, pool), pytest.raises(ValueError, match="signal only works in main thread"):
        handle.delay().get(timeout=10)


def test_threading_is_given_back():
    names = ("get_ident", "current_thread", "main_thread", "enumerate", "active_count")
    before = [vars(threading)[name] for name in names]

    with EmbeddedWorld(seed=0, start=datetime(2026, 1, 1, tzinfo=UTC)):
        assert before != [vars(threading)[name] for name in names]

    assert before == [vars(threading)[name] for name in names]
