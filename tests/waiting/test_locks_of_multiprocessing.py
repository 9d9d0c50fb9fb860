"""Locks of ``multiprocessing`` and billiard exclude tasks, and a wait for one is virtual."""

import multiprocessing
import time

import billiard
import pytest

from retrysim import Deadlock, Simulation

LOCK, RLOCK, SEMAPHORE = multiprocessing.Lock(), multiprocessing.RLock(), multiprocessing.BoundedSemaphore(1)
OF_BILLIARD = billiard.Lock()


@pytest.mark.parametrize("lock", [LOCK, RLOCK, SEMAPHORE, OF_BILLIARD], ids=["lock", "rlock", "semaphore", "billiard"])
def test_two_tasks_are_never_inside_one_lock(spans_inside, lock):
    (begun, ended), (second, _) = spans_inside(lambda: lock, tasks=2)
    assert (ended - begun, second - ended) == (10, 0)


def test_an_rlock_is_entered_again_by_its_own_task(sim, submit):
    def enters_twice():
        with RLOCK, RLOCK:
            time.sleep(1)

    submit(enters_twice)
    submit(enters_twice)
    sim.run()
    assert (sim.states, sim.elapsed.total_seconds()) == ({"SUCCESS": 2}, 2)


def test_a_timeout_is_virtual_and_exact(sim, submit):
    def keeps():
        with LOCK:
            time.sleep(10)

    def tries(**options):
        began = time.time()
        return LOCK.acquire(**options), time.time() - began

    submit(keeps)
    waits = submit(lambda: (tries(timeout=3), tries(block=False)))
    sim.run()
    assert waits.get() == [[False, 3.0], [False, 0.0]]


def test_a_lock_that_nobody_releases_is_a_deadlock_with_its_line(sim, submit):
    def takes_it_twice():
        LOCK.acquire()
        LOCK.acquire()

    result = submit(takes_it_twice)
    with pytest.raises(Deadlock) as caught:
        sim.run()
    assert str(caught.value) == (
        f"no events remain, but call[{result.id[:8]}] is still waiting:\n"
        f"  call[{result.id[:8]}] waits for a lock of multiprocessing\n"
        "    on celery@worker-1 slot 1001, at test_locks_of_multiprocessing.py:"
        f"{takes_it_twice.__code__.co_firstlineno + 2}: LOCK.acquire()"
    )


def test_what_a_task_holds_when_the_simulation_ends_is_free_afterwards(app):
    with Simulation() as sim:

        @app.task(shared=False)
        def keeps():
            with LOCK, RLOCK, RLOCK:
                time.sleep(10)

        sim.start_worker(app)
        keeps.delay()
        sim.run_for(5)
    assert (LOCK.acquire(block=False), RLOCK.acquire(block=False)) == (True, True)
    RLOCK.release()
    LOCK.release()


def test_locks_are_the_systems_own_again_after_the_simulation():
    before = LOCK.acquire, multiprocessing.synchronize.SemLock.__enter__
    with Simulation():
        assert LOCK.acquire != before[0]
        made = multiprocessing.Lock()
    assert (LOCK.acquire, multiprocessing.synchronize.SemLock.__enter__) == before
    assert made.acquire == made._semlock.acquire
