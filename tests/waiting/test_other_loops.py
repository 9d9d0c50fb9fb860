"""Event loops other than asyncio's own inside a task: trio's, anyio's on both, and uvloop's."""

import asyncio
import os
import subprocess
import sys
import time

import anyio
import anyio.to_thread
import httpx
import pytest
import trio
import uvloop

from retrysim import Deadlock, Simulation
from retrysim.errors import RealWait
from retrysim.fakes import API

START = 1577880000


def now():
    return round(time.time() - START, 6)


async def trio_main():
    seen = []

    async def naps(seconds):
        await trio.sleep(seconds)
        seen.append((seconds, now()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(naps, 3)
        nursery.start_soon(naps, 1)
    with trio.move_on_after(5):
        await trio.sleep_forever()
    seen.append(("timeout", now()))
    await trio.to_thread.run_sync(time.sleep, 2)
    return seen, now()


def test_trio_waits_in_virtual_time(sim, submit):
    results = [submit(lambda: trio.run(trio_main)) for _ in range(2)]
    sim.run()

    assert [result.get() for result in results] == [[[[1, 1.0], [3, 3.0], ["timeout", 8.0]], 10.0]] * 2


def test_trio_is_as_it_was_after_a_simulation():
    for _ in range(2):
        with Simulation() as sim:
            sim.environment.spawn(lambda: trio.run(trio_main), name="trio")
            sim.run()
            assert sim.elapsed.total_seconds() == 10
    begun = time.monotonic()
    trio.run(trio.to_thread.run_sync, time.sleep, 0.01)

    assert 0.01 <= time.monotonic() - begun < 5


def test_trio_that_is_imported_inside_a_task_waits_in_virtual_time():
    program = """
import time
from retrysim import Simulation
def naps():
    import trio
    trio.run(trio.sleep, 3600)
begun = time.time()
with Simulation(allow=["subprocess"]) as sim:  # the import asks ldconfig for the C library
    sim.environment.spawn(naps, name="naps")
    sim.run()
    print(sim.elapsed.total_seconds())
assert time.time() - begun < 60
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("3600.0\n", "")


def test_a_trio_task_that_waits_for_nothing_is_a_deadlock(sim, submit):
    submit(lambda: trio.run(trio.sleep_forever))
    with pytest.raises(Deadlock, match=r"waits for the next event of trio's loop(.|\n)*trio.run\(trio.sleep_forever\)"):
        sim.run()


@pytest.mark.filterwarnings("ignore:Trio guest run got abandoned")
def test_trio_on_a_real_pipe_is_a_named_error(sim, submit):
    reader, writer = os.pipe()

    def waits():
        try:
            trio.run(trio.lowlevel.wait_readable, reader)
        except RealWait as error:
            return str(error).splitlines()[0], str(error).splitlines()[-1]

    assert submit(waits).get() == [
        "a task waits for a file or a socket, which takes real time, and virtual time stands still meanwhile",
        '  If that is meant: sim.allow("select")',
    ]
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio_waits_in_virtual_time(sim, submit, backend):
    async def main():
        seen = []

        async def naps(seconds):
            await anyio.sleep(seconds)
            seen.append(now())

        async with anyio.create_task_group() as group:
            group.start_soon(naps, 3)
            group.start_soon(naps, 1)
        with anyio.move_on_after(5):
            await anyio.Event().wait()
        await anyio.to_thread.run_sync(time.sleep, 2)
        return seen, now()

    assert submit(lambda: anyio.run(main, backend=backend)).get() == [[1.0, 3.0], 10.0]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_httpx_waits_for_the_latency_of_a_fake_on_both(sim, submit, backend):
    sim.serve(API("https://crm.acme.io", answer={"ok": True}, latency="2 seconds"))

    async def main():
        async with httpx.AsyncClient() as client:
            return (await client.get("https://crm.acme.io/a")).status_code, now()

    assert submit(lambda: anyio.run(main, backend=backend)).get() == [200, 2.0]


async def uvloop_main():
    await asyncio.sleep(3)
    await asyncio.to_thread(time.sleep, 2)
    return now()


@pytest.mark.parametrize(
    "run",
    [
        lambda: uvloop.run(uvloop_main()),
        lambda: uvloop.new_event_loop().run_until_complete(uvloop_main()),
        lambda: anyio.run(uvloop_main, backend_options={"use_uvloop": True}),
    ],
    ids=["run", "a loop", "anyio"],
)
def test_in_the_place_of_uvloop_runs_the_loop_of_asyncio(sim, submit, run):
    assert submit(run).get() == 5.0
    assert sim.notes == ["asyncio's own event loop ran in the place of uvloop's, which waits in real time"]
    sim.close()
    assert uvloop.Loop.__module__ == "uvloop"


def test_a_loop_of_uvloop_made_before_the_simulation_is_a_named_error(app):
    loop = uvloop.new_event_loop()
    with Simulation() as sim:

        @app.task(name="runs", shared=False)
        def runs():
            coroutine = uvloop_main()
            try:
                loop.run_until_complete(coroutine)
            finally:
                coroutine.close()

        sim.start_worker(app)
        with pytest.raises(RealWait) as caught:
            runs.delay().get()
    loop.close()

    assert str(caught.value).startswith(
        "a task runs an event loop of uvloop's, which takes real time, and virtual time stands still meanwhile\n"
        "  at test_other_loops.py:"
    )
    assert str(caught.value).endswith('If that is meant: sim.allow("select")')
