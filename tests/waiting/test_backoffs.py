"""The retries of client libraries inside a task: each attempt comes at its exact instant of virtual time."""

import asyncio
import random
import time
from email.utils import formatdate
from itertools import pairwise

import pytest
import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from retrysim import Simulation
from retrysim.fakes import API, Response

START = 1577880000
URL = "https://crm.acme.io/things"


def now():
    return time.time() - START


def attempts_of(wait, *, reraise=True, **options):
    """The instants of five attempts, of which the last one succeeds."""
    attempts = []

    @tenacity.retry(wait=wait, stop=tenacity.stop_after_attempt(5), reraise=reraise, **options)
    def call():
        attempts.append(now())
        if len(attempts) < 5:
            raise ConnectionError
        return attempts

    return call()


@pytest.mark.parametrize(
    ("wait", "instants"),
    [
        (tenacity.wait_fixed(7), [0.0, 7.0, 14.0, 21.0, 28.0]),
        (tenacity.wait_exponential(multiplier=1, min=4, max=10), [0.0, 4.0, 8.0, 12.0, 20.0]),
        (tenacity.wait_exponential(multiplier=1.5), [0.0, 1.5, 4.5, 10.5, 22.5]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(60)), [0.0, 1.0, 61.0, 121.0, 181.0]),
        (tenacity.wait_incrementing(start=1, increment=2), [0.0, 1.0, 4.0, 9.0, 16.0]),
    ],
    ids=["fixed", "exponential within bounds", "exponential", "chain", "incrementing"],
)
def test_tenacity_waits_to_the_instant(sim, submit, wait, instants):
    assert submit(lambda: attempts_of(wait)).get() == instants


@pytest.mark.parametrize("wait", [tenacity.wait_random(1, 3), tenacity.wait_random_exponential(multiplier=1, max=60)])
def test_what_tenacity_draws_comes_from_the_seed(app, wait):
    def instants(seed):
        with Simulation(seed=seed, start="2020-01-01T12:00:00Z") as sim:

            @app.task(name="draws", shared=False)
            def draws():
                return attempts_of(wait)

            sim.start_worker(app)
            return draws.delay().get()

    first = instants(1)
    assert first == instants(1) != instants(2)
    gaps = [after - before for before, after in pairwise(first)]
    if isinstance(wait, tenacity.wait_random):
        assert all(1 <= gap <= 3 for gap in gaps)
    else:
        assert all(0 <= gap <= 2**number for number, gap in enumerate(gaps))


def test_tenacity_gives_up_after_a_delay(sim, submit):
    def call():
        with pytest.raises(tenacity.RetryError):
            tenacity.Retrying(wait=tenacity.wait_fixed(10), stop=tenacity.stop_after_delay(35))(lambda: 1 / 0)
        return now()

    assert submit(call).get() == 40.0


def test_tenacity_waits_in_a_coroutine(sim, submit):
    async def main():
        instants = []
        waiting = tenacity.AsyncRetrying(wait=tenacity.wait_exponential(), stop=tenacity.stop_after_attempt(4))
        async for attempt in waiting:
            with attempt:
                instants.append(now())
                if len(instants) < 4:
                    raise ConnectionError
        return instants

    async def both():
        return await asyncio.gather(main(), main())

    assert submit(lambda: asyncio.run(both())).get() == [[0.0, 1.0, 3.0, 7.0]] * 2


def test_two_tasks_wait_in_tenacity_side_by_side(sim, submit):
    results = [submit(lambda: attempts_of(tenacity.wait_fixed(3))) for _ in range(2)]
    sim.run()

    assert [result.get() for result in results] == [[0.0, 3.0, 6.0, 9.0, 12.0]] * 2


# -- urllib3's own -----------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(sim):
    """The instants of the calls to a host that answers 503 three times, with or without a Retry-After, then 200."""
    instants = []
    sim.retry_after = None

    def things(_visit):
        instants.append(now())
        headers = () if sim.retry_after is None else (("Retry-After", sim.retry_after),)
        return Response(status=503, headers=headers) if len(instants) < 4 else {"ok": True}

    sim.serve(API("https://crm.acme.io", endpoints={"GET /things": things}))
    return instants


def by_urllib3(retry):
    return urllib3.PoolManager(retries=retry).request("GET", URL).status


def by_requests(retry):
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session.get(URL, timeout=5).status_code


@pytest.mark.parametrize("client", [by_urllib3, by_requests])
def test_the_backoff_of_urllib3_is_exact(sim, submit, calls, client):
    retry = urllib3.Retry(total=5, backoff_factor=2, status_forcelist=[503])

    assert submit(lambda: client(retry)).get() == 200
    assert calls == [0.0, 0.0, 4.0, 12.0]  # the first retry comes at once, then 2 * 2 ** n


@pytest.mark.parametrize("client", [by_urllib3, by_requests])
@pytest.mark.parametrize("told", ["30", formatdate(START + 30, usegmt=True)], ids=["seconds", "date"])
def test_urllib3_waits_as_long_as_retry_after_says(sim, submit, calls, client, told):
    sim.retry_after = told
    retry = urllib3.Retry(total=5, backoff_factor=2, status_forcelist=[503])

    assert submit(lambda: client(retry)).get() == 200
    assert calls == ([0.0, 30.0, 60.0, 90.0] if told == "30" else [0.0, 30.0, 34.0, 42.0])


def test_the_jitter_of_urllib3_comes_from_the_seed(sim, submit, calls):
    retry = urllib3.Retry(total=5, backoff_factor=1, backoff_jitter=1, status_forcelist=[503])
    random.seed(7)
    drawn = [random.random() for _ in range(2)]

    def call():
        random.seed(7)
        return by_urllib3(retry)

    assert submit(call).get() == 200
    assert calls == [0.0, 0.0, pytest.approx(2 + drawn[0]), pytest.approx(2 + drawn[0] + 4 + drawn[1])]


def test_urllib3_gives_up_when_its_retries_are_used_up(sim, submit, calls):
    def call():
        with pytest.raises(urllib3.exceptions.MaxRetryError):
            by_urllib3(urllib3.Retry(total=2, backoff_factor=10, status_forcelist=[503]))
        return now()

    assert submit(call).get() == 20.0
