"""Code that waits by asking the clock gets there: many readings without a wait let some time pass."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from celery import Celery

from retrysim import Simulation

CLOCKS = {
    "monotonic": time.monotonic,
    "time": time.time,
    "perf_counter": time.perf_counter,
    "datetime.now": lambda: datetime.now(UTC).timestamp(),
}


def instants_of(clock, seconds):
    """When a task that asks the clock until that many seconds have passed has ended, and one that naps beside it."""
    ended = {}
    app = Celery("asking", broker="memory://", set_as_current=False)

    @app.task(name="asks", shared=False)
    def asks():
        end = CLOCKS[clock]() + seconds
        while CLOCKS[clock]() < end:
            pass
        ended["asks"] = time.monotonic()

    @app.task(name="naps", shared=False)
    def naps():
        time.sleep(2)
        ended["naps"] = time.monotonic()

    with Simulation(broker="memory") as sim:
        sim.start_worker(app, concurrency=2)
        begun = time.monotonic()
        asks.delay()
        naps.delay()
        sim.run()
    return {name: round(at - begun, 6) for name, at in ended.items()}


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_task_that_asks_the_clock_gets_to_the_time_it_waits_for(clock):
    assert instants_of(clock, 5) == {"naps": 2, "asks": 5.067456}


def test_it_gets_there_at_the_same_instant_each_time():
    assert instants_of("monotonic", 60) == instants_of("monotonic", 60)


def test_an_hour_of_asking_takes_no_hour():
    assert 3600 <= instants_of("monotonic", 3600)["asks"] <= 3600 * 1.02


def test_a_task_that_reads_the_clock_often_and_waits_in_between_is_not_late(app):
    elapsed = []

    @app.task(name="reads", shared=False)
    def reads():
        for _ in range(10):
            for _ in range(20_000):
                time.time()
            time.sleep(1)

    with Simulation(broker="memory") as sim:
        sim.start_worker(app)
        reads.delay()
        sim.run()
        elapsed.append(sim.elapsed.total_seconds())

    assert elapsed == [10]
