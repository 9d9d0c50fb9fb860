"""asyncio inside a task: its loop waits in virtual time."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx
import pytest

from retrysim.fakes import API

START = 1577880000


def now():
    return time.time() - START


def test_sleep_gather_timeout_and_threads(sim, submit):
    async def main():
        seen = []

        async def naps(seconds):
            await asyncio.sleep(seconds)
            seen.append((seconds, now()))

        await asyncio.gather(naps(3), naps(1))
        try:
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            seen.append(("timeout", now()))
        await asyncio.to_thread(time.sleep, 2)
        with ThreadPoolExecutor(1) as executor:
            await asyncio.get_running_loop().run_in_executor(executor, time.sleep, 1)
        return seen, now()

    assert submit(lambda: asyncio.run(main())).get() == [[[1, 1.0], [3, 3.0], ["timeout", 8.0]], 11.0]


@pytest.mark.parametrize("client", ["httpx", "aiohttp"])
def test_an_asynchronous_client_waits_for_the_latency_of_a_fake(sim, submit, client):
    sim.serve(API("https://crm.acme.io", answer={"ok": True}, latency="2 seconds"))

    async def by_httpx():
        async with httpx.AsyncClient() as http:
            answers = await asyncio.gather(*(http.get("https://crm.acme.io/a") for _ in range(2)))
            return [answer.status_code for answer in answers], now()

    async def by_aiohttp():
        async with aiohttp.ClientSession() as http, http.get("https://crm.acme.io/a") as answer:
            return [answer.status, 200], now()

    call = by_httpx if client == "httpx" else by_aiohttp
    results = [submit(lambda: asyncio.run(call())) for _ in range(2)]
    sim.run()

    assert [result.get() for result in results] == [[[200, 200], 2.0]] * 2


def test_a_coroutine_that_waits_for_nothing_is_a_deadlock(sim, submit):
    from retrysim import Deadlock

    async def waits():
        await asyncio.get_running_loop().create_future()

    submit(lambda: asyncio.run(waits()))
    with pytest.raises(Deadlock, match=r"an event loop's next event"):
        sim.run()
