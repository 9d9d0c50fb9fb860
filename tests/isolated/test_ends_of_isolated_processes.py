"""A pool process that is one of the machine ends for real, and its parent sees that as billiard does."""

from __future__ import annotations

import os
import signal

import pytest
from isolated_apps import app, compute_for, count, crash, end_by, grow, leave, stay, try_again, who

import retrysim


def ends_of(sim):
    return [event.exception for event in sim.trace if event.kind == "task-failed"]


@pytest.fixture
def worker(sim):
    return sim.start_worker(app, isolated=True)


LOST = "WorkerLostError: Worker exited prematurely: {} Job: 0."


@pytest.mark.parametrize(
    ("task", "args", "how"),
    [
        (end_by, [signal.SIGKILL], "signal 9 (SIGKILL)"),
        (crash, [], "signal 11 (SIGSEGV)"),
        (leave, [3], "exitcode 3"),
        (leave, [0], "exitcode 0"),
    ],
)
def test_an_end_of_a_child_is_a_lost_worker(sim, worker, task, args, how):
    lost, after = task.delay(*args), count.delay()
    sim.run()
    assert ends_of(sim) == [LOST.format(how)]
    assert sim.task(lost.id).state == "FAILURE"
    assert after.get() == 1


def test_a_memory_limit_of_the_machine_is_a_memory_error(sim, worker):
    grow.delay(64)
    sim.run()
    assert ends_of(sim) == ["MemoryError"]


@pytest.mark.slow
def test_a_limit_of_processor_time_is_a_lost_worker(sim, worker):
    compute_for.delay(1)
    sim.run()
    assert ends_of(sim) == [LOST.format("signal 24 (SIGXCPU)")]


def test_a_child_that_the_test_kills_runs_no_more(sim, worker):
    stay.delay(10)
    sim.run_for(2)
    worker.kill_child()
    sim.run()
    assert ends_of(sim) == [LOST.format("signal 9 (SIGKILL)")]


def test_a_killed_worker_takes_its_children_along(sim, worker):
    pid = who.delay()
    sim.run()
    number = pid.get()
    worker.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_child_is_recycled_after_so_many_tasks():
    app.conf.worker_max_tasks_per_child = 2
    try:
        with retrysim.Simulation() as sim:
            sim.start_worker(app, isolated=True)
            counted, numbers = [count.delay() for _ in range(5)], [who.delay() for _ in range(2)]
            sim.run()
            assert [result.get() for result in counted] == [1, 2, 1, 2, 1]
            assert len({result.get() for result in numbers}) == 2
            assert sim.states == {"SUCCESS": 7}
    finally:
        app.conf.worker_max_tasks_per_child = None


def test_a_retry_outlives_the_child_that_asked_for_it():
    app.conf.worker_max_tasks_per_child = 1
    try:
        with retrysim.Simulation() as sim:
            sim.start_worker(app, isolated=True)
            result = try_again.delay()
            sim.run()
            assert sim.task(result.id).timeline == "RETRY 1m SUCCESS"
    finally:
        app.conf.worker_max_tasks_per_child = None


def test_a_child_that_has_become_too_large_is_replaced(caplog):
    app.conf.worker_max_memory_per_child = 1
    try:
        with retrysim.Simulation() as sim:
            sim.start_worker(app, isolated=True)
            results = [count.delay() for _ in range(3)]
            sim.run()
            assert [result.get() for result in results] == [1, 1, 1]
    finally:
        app.conf.worker_max_memory_per_child = None


@pytest.mark.parametrize("limit", ["soft_time_limit", "time_limit"])
def test_a_time_limit_strikes_in_virtual_time(sim, worker, limit):
    stay.apply_async([600], **{limit: 20})
    sim.run()
    name = {"soft_time_limit": "SoftTimeLimitExceeded()", "time_limit": "TimeLimitExceeded(20,)"}[limit]
    assert any(name in end for end in ends_of(sim)), ends_of(sim)
    assert 20 <= sim.elapsed.total_seconds() < 21


def test_a_revoked_task_is_terminated(sim, worker):
    result = stay.delay(600)
    sim.run_for(5)
    result.revoke(terminate=True)
    sim.run()
    assert sim.task(result.id).state == "REVOKED"
    assert count.delay().get() == 1
