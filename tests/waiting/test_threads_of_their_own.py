"""Two tasks that are suspended at once are two threads to the code in them."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest
from celery import _state

from retrysim import Simulation
from retrysim.clock import VirtualClock
from retrysim.kernel import Environment, Streams
from retrysim.patches import virtual_standard_library

LOCAL = threading.local()


class Initialised(threading.local):
    def __init__(self, value):
        self.value = value


INITIALISED = Initialised("new")


def test_a_local_made_before_the_simulation_is_each_tasks_own(sim, submit):
    def keeps(name):
        before = getattr(LOCAL, "name", None), INITIALISED.value
        LOCAL.name = INITIALISED.value = name
        time.sleep(10)
        return before, LOCAL.name, INITIALISED.value

    LOCAL.name = INITIALISED.value = "the test"
    results = [submit(keeps, name) for name in ("one", "two")]
    sim.run()

    assert [result.get() for result in results] == [[[None, "new"], name, name] for name in ("one", "two")]
    assert (LOCAL.name, INITIALISED.value) == ("the test", "the test")


def test_a_pool_process_keeps_its_locals_from_task_to_task(sim, app):
    @app.task(name="counts", shared=False)
    def counts():
        LOCAL.count = getattr(LOCAL, "count", 0) + 1
        return LOCAL.count

    with sim.start_worker(app, concurrency=1):
        assert [counts.delay().get() for _ in range(3)] == [1, 2, 3]
    assert not hasattr(LOCAL, "count")


def test_the_test_sees_its_own_locals_wherever_the_run_stops(sim, submit):
    def keeps():
        LOCAL.name = "the task"
        time.sleep(10)

    LOCAL.name = "the test"
    submit(keeps)
    seen = []
    sim.run(until=lambda: seen.append(LOCAL.name) or sim.elapsed.seconds >= 5)
    sim.run_for(1)

    assert set(seen) == {"the test"}
    assert LOCAL.name == "the test"


def test_an_eager_task_runs_on_the_thread_that_submits_it(sim, app):
    @app.task(name="reads", shared=False)
    def reads():
        return LOCAL.name

    LOCAL.name = "the test"
    sim.run_eagerly(app)

    assert reads.delay().get() == "the test"


def test_locals_that_end_and_begin_at_one_address_do_not_inherit(sim, submit):
    def churns():
        for number in range(300):
            local = threading.local()
            assert not hasattr(local, "number")
            local.number = number
            time.sleep(0.001)
            assert local.number == number
            del local
        return "done"

    results = [submit(churns), submit(churns)]
    sim.run()

    assert [result.get() for result in results] == ["done", "done"]


@pytest.mark.slow
def test_what_a_local_keeps_ends_with_the_simulation(app):
    class Held:
        pass

    kept = []
    with Simulation() as sim:

        @app.task(name="holds", shared=False)
        def holds():
            LOCAL.held = Held()
            kept.append(weakref.ref(LOCAL.held))

        sim.start_worker(app)
        holds.delay().get()
    gc.collect()
    del sim
    gc.collect()

    assert [held() for held in kept] == [None]


def test_two_event_loops_run_at_once(sim, submit):
    async def naps(seconds):
        loop = asyncio.get_running_loop()
        await asyncio.sleep(seconds)
        assert asyncio.get_running_loop() is loop
        return time.time() - 1577880000

    def runs(seconds):
        return asyncio.run(naps(seconds))

    results = [submit(runs, 10), submit(runs, 15)]
    sim.run()

    assert [result.get() for result in results] == [10.0, 15.0]
    assert asyncio._get_running_loop() is None
    assert sys.get_asyncgen_hooks() == (None, None)


def test_a_simulation_inside_a_running_loop_hides_that_loop_from_tasks(sim, submit):
    def runs():
        return asyncio.run(asyncio.sleep(3, "slept"))

    async def a_test():
        result = submit(runs)
        sim.run()
        return asyncio.get_running_loop().is_running(), result.get()

    assert asyncio.run(a_test()) == (True, "slept")


def test_the_current_app_of_the_test_is_its_own_after_a_worker_was_made(sim, app):
    before = _state._tls.current_app
    sim.start_worker(app)

    assert _state._tls.current_app is app
    sim.close()
    assert _state._tls.current_app is before


@pytest.mark.parametrize("error", [None, ValueError])
def test_the_thread_has_its_locals_back_when_the_patches_are_undone(error):
    LOCAL.name = "before"
    env = Environment(VirtualClock(10**18))

    def run():
        with virtual_standard_library(env, Streams(0)):
            env.spawn(lambda: setattr(LOCAL, "name", "inside"), name="one")
            env.run()
            if error:
                raise error

    if error:
        with pytest.raises(error):
            run()
    else:
        run()
    assert LOCAL.name == "before"


PROGRAM = """
import threading
from retrysim.patches.thread_locals import thread_locals

local = threading.local()
local.name = "first"
held = thread_locals()
first, second = held.keep(), held.keep()
for number in range(2000):
    held.exchange(first, second)
    assert getattr(local, "name", "second") == "second"
    local.name = "second"
    passing = threading.local()
    assert not hasattr(passing, "number")
    passing.number = number
    held.exchange(second, first)
    assert local.name == "first"
    assert not hasattr(passing, "number")
    del passing
print("kept apart")
"""


def test_the_exchange_holds_in_an_interpreter_of_its_own():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr) == ("kept apart\n", "")
