"""The way to a fake has the faults of the way to a broker: partition, cut, half an answer, delay, a server that is down."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import aiohttp
import httpx
import pytest
import requests
import urllib3
from celery import Celery

from retrysim import InputError, Simulation
from retrysim.fakes import API
from retrysim.trace import ApiCalled, FaultFired

URL = "https://crm.example/contacts"


def by_requests(session, timeout):
    return session.get(URL, timeout=timeout).json()


def by_httpx(client, timeout):
    return client.get(URL, timeout=timeout).json()


def by_urllib3(pool, timeout):
    return pool.request("GET", URL, timeout=timeout, retries=False).json()


def by_async_httpx(_nothing, timeout):
    async def ask():
        async with httpx.AsyncClient() as client:
            return (await client.get(URL, timeout=timeout)).json()

    return asyncio.run(ask())


def by_aiohttp(_nothing, timeout):  # it repeats a GET by itself
    async def ask():
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
            session.post(URL) as response,
        ):
            return await response.json()

    return asyncio.run(ask())


CLIENTS = {
    by_requests: requests.Session,
    by_httpx: httpx.Client,
    by_urllib3: urllib3.PoolManager,
    by_async_httpx: object,
    by_aiohttp: object,
}


@pytest.fixture(params=CLIENTS, ids=lambda ask: ask.__name__)
def world(request):
    """A worker whose task asks the fake, by one client; and what came of it, with the seconds it took."""
    app, ended = Celery("proj", broker="memory://", backend="cache+memory://"), []

    with Simulation() as sim:
        crm = sim.serve(API(URL.rpartition("/")[0]))
        client = CLIENTS[request.param]()

        @app.task(shared=False)
        def ask(timeout=None):
            began = time.monotonic()
            try:
                answer = "ok" if request.param(client, timeout) is not None else "nothing"
            except Exception as error:
                answer = type(error).__name__
            ended.append((answer, round(time.monotonic() - began, 1)))

        worker = sim.start_worker(app)
        yield sim, sim.api(crm), worker, ask, ended


def test_a_partition_lets_a_call_time_out(world):
    sim, api, worker, ask, ended = world

    api.partition(worker)
    ask.delay(timeout=10)
    sim.run()

    [(answer, seconds)] = ended
    assert "Timeout" in answer
    assert seconds == 10
    assert [fault.verb for fault in sim.trace.of(FaultFired)] == ["partition"]


def test_what_is_sent_in_a_partition_arrives_after_its_repair(world):
    sim, api, worker, ask, ended = world

    api.partition(worker)
    ask.delay(timeout=10)
    sim.run_for(5)
    assert ended == []
    assert sim.trace.of(ApiCalled) == []
    api.repair(worker)
    sim.run()

    assert ended == [("ok", 6.2)]  # sent again after 0.2, 0.6, 1.4, 3 and 6.2 s


def test_a_partition_without_end_ends_a_call_without_a_timeout(world):
    sim, api, worker, ask, ended = world

    api.partition(worker)
    ask.delay(timeout=None)
    sim.run()

    [(answer, seconds)] = ended
    assert "Error" in answer or "Timeout" in answer
    assert 5 <= seconds <= 1_000


def test_an_answer_that_is_cut_in_the_middle_fails_the_call_once(world):
    sim, api, worker, ask, ended = world

    api.cut_in_mid_answer(worker)
    ask.delay()
    ask.delay()
    sim.run()

    assert ended[0][0] not in ("ok", "nothing")
    assert ended[1] == ("ok", 0)


def test_the_latency_of_one_worker_is_both_ways_and_ends(world):
    sim, api, worker, ask, ended = world

    end = api.slow_down("1.5 s", worker)
    ask.delay()
    sim.run()
    end()
    ask.delay()
    sim.run()

    assert ended == [("ok", 3), ("ok", 0)]


def test_connections_that_are_cut_are_made_anew(world):
    sim, api, worker, ask, ended = world

    ask.delay()
    sim.run()
    api.cut_connections(worker)
    ask.delay()
    sim.run()

    assert ended == [("ok", 0), ("ok", 0)]


def test_a_call_that_is_under_way_is_cut(world):
    sim, api, _worker, ask, ended = world

    api.slow_down(5)
    ask.delay()
    sim.run_for(3)
    api.cut_connections()
    sim.run()

    [(answer, _)] = ended
    assert answer not in ("ok", "nothing")


def test_an_api_that_is_stopped_refuses_connections_until_it_starts(world):
    sim, api, _worker, ask, ended = world

    api.stop()
    ask.delay()
    sim.run()
    api.start()
    ask.delay()
    sim.run()

    assert "Connect" in ended[0][0] or "Connection" in ended[0][0]
    assert ended[1][0] == "ok"


def test_a_fault_of_one_worker_is_no_other_ones():
    app, ended = Celery("proj", broker="memory://", backend="cache+memory://"), {}

    @app.task(shared=False, bind=True)
    def ask(self):
        began = time.monotonic()
        requests.get(URL, timeout=60)
        ended[self.request.hostname.removeprefix("celery@")] = time.monotonic() - began

    with Simulation() as sim:
        crm = sim.serve(API(URL.rpartition("/")[0]))
        first, second = sim.start_worker(app, queues=["a"]), sim.start_worker(app, queues=["b"])
        sim.api(crm).slow_down(timedelta(seconds=2), first)
        for queue in "ab":
            ask.apply_async(queue=queue)
        sim.run()

        assert {name: round(seconds, 1) for name, seconds in ended.items()} == {first.name: 4, second.name: 0}


def test_a_fake_that_is_not_served_has_no_way():
    with Simulation() as sim, pytest.raises(InputError, match=r"sim\.serve"):
        sim.api(API("https://crm.example"))


def test_a_pool_process_with_memory_of_its_own_meets_the_faults_of_its_worker():
    app = Celery("proj", broker="memory://", backend="cache+memory://")

    @app.task(shared=False)
    def ask():
        began = time.monotonic()
        try:
            answer = requests.get(URL, timeout=10).status_code
        except requests.RequestException as error:
            answer = type(error).__name__
        return answer, round(time.monotonic() - began, 1)

    with Simulation(isolated=True) as sim:
        crm = sim.serve(API(URL.rpartition("/")[0]))
        worker = sim.start_worker(app)
        api, came = sim.api(crm), []

        def run():
            came.append(tuple(ask.delay().get(timeout=60)))

        run()
        api.partition(worker)
        run()
        api.repair(worker)
        end = api.slow_down(2)
        run()
        end()
        api.cut_in_mid_answer(worker)
        run()
        api.stop()
        run()
        sim.leave_workers()

    assert came == [(200, 0), ("ReadTimeout", 10), (200, 4), ("ConnectionError", 0), ("ConnectionError", 0)]
