"""Libraries that keep their state in memory, unedited: what N pool processes make of them."""

from __future__ import annotations

import time

import pytest
from celery import Celery

import retrysim


def states_of(body, *, isolated, times, concurrency=2):
    """How ``times`` calls of a task end that takes a second."""
    app = Celery("libraries", broker="memory://", set_as_current=False)

    @app.task(shared=False)
    def call():
        body()
        time.sleep(1)

    with retrysim.Simulation() as sim:
        sim.start_worker(app, concurrency=concurrency, isolated=isolated)
        for _ in range(times):
            call.delay()
        sim.run()
        return sim.states


def test_ratelimit_lets_each_process_call_as_often():
    ratelimit = pytest.importorskip("ratelimit")

    def body():
        return ratelimit.limits(calls=3, period=60)(lambda: None)

    assert states_of(body(), isolated=False, times=6) == {"SUCCESS": 3, "FAILURE": 3}
    assert states_of(body(), isolated=True, times=6) == {"SUCCESS": 6}


def test_pyrate_limiter_lets_each_process_call_as_often():
    pyrate_limiter = pytest.importorskip("pyrate_limiter")

    def limiter():
        bucket = pyrate_limiter.InMemoryBucket([pyrate_limiter.Rate(3, 60_000)])
        factory = pyrate_limiter.limiter.SingleBucketFactory(bucket, schedule_leak=False)  # no thread outlives the test
        return pyrate_limiter.Limiter(factory)

    def body(of):
        if not of.try_acquire("call", blocking=False):
            raise RuntimeError("over the limit")

    shared, own = limiter(), limiter()
    assert states_of(lambda: body(shared), isolated=False, times=6) == {"SUCCESS": 3, "FAILURE": 3}
    assert states_of(lambda: body(own), isolated=True, times=6) == {"SUCCESS": 6}


def test_pybreaker_opens_in_each_process_by_itself():
    pybreaker = pytest.importorskip("pybreaker")

    def down():
        raise ConnectionError("down")

    def outcome(isolated):
        breaker = pybreaker.CircuitBreaker(fail_max=2, reset_timeout=600)
        reached = []

        def body():
            time.sleep(1)
            try:
                breaker.call(down)
            except pybreaker.CircuitBreakerError:
                reached.append(1)
                return  # open: the service is left alone

        return states_of(body, isolated=isolated, times=8)

    assert outcome(False) == {"SUCCESS": 7, "FAILURE": 1}
    assert outcome(True) == {"SUCCESS": 6, "FAILURE": 2}


def test_cachetools_caches_in_each_process():
    cachetools = pytest.importorskip("cachetools")
    cache = cachetools.TTLCache(maxsize=8, ttl=600)

    def body():
        if "rates" not in cache:
            cache["rates"] = 1.0
            raise LookupError("a miss")

    assert states_of(body, isolated=True, times=6) == {"SUCCESS": 4, "FAILURE": 2}
    assert states_of(body, isolated=False, times=6) == {"SUCCESS": 5, "FAILURE": 1}
