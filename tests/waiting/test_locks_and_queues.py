"""Locks and what is made of them: who waits for one that another task holds waits in virtual time."""

import queue
import threading
import time

import pytest

from retrysim import Simulation

START = 1577880000
LOCK, RLOCK, CONDITION = threading.Lock(), threading.RLock(), threading.Condition()


class Client:
    class_lock = threading.RLock()

    def __init__(self):
        self.lock = threading.Lock()


CLIENT = Client()


def now():
    return time.time() - START


@pytest.mark.parametrize(
    "find",
    [
        lambda: LOCK,
        lambda: RLOCK,
        lambda: CONDITION,
        lambda: Client.class_lock,
        lambda: CLIENT.lock,
        lambda made=[]: made[0] if made else made.append(threading.Lock()) or made[0],
        lambda made=[]: made[0] if made else made.append(threading.RLock()) or made[0],
        lambda made=[]: made[0] if made else made.append(threading.Semaphore(1)) or made[0],
    ],
    ids=["Lock before", "RLock before", "Condition before", "of a class", "of an object", "Lock", "RLock", "Semaphore"],
)
def test_two_tasks_are_never_inside_one_lock(spans_inside, find):
    assert spans_inside(find, tasks=3) == [(0.0, 10.0), (10.0, 20.0), (20.0, 30.0)]
    assert find().acquire(False)
    find().release()


def test_an_rlock_is_entered_again_by_its_own_task_only(sim, submit):
    def holds():
        with RLOCK, RLOCK:
            time.sleep(10)

    def tries():
        time.sleep(1)
        return RLOCK.acquire(blocking=False), RLOCK.acquire(timeout=3), now()

    submit(holds)
    assert submit(tries).get() == [False, False, 4.0]


def test_a_timeout_is_virtual_and_exact(sim, submit):
    def holds():
        with LOCK:
            time.sleep(10)

    def tries():
        return [LOCK.acquire(timeout=2.5), now(), LOCK.acquire(True, 20), now(), LOCK.release()]

    submit(holds)
    assert submit(tries).get() == [False, 2.5, True, 10.0, None]


def _barrier_breaks(timeout):
    with pytest.raises(threading.BrokenBarrierError):
        threading.Barrier(2).wait(timeout)


def _queue_stays_empty(timeout):
    with pytest.raises(queue.Empty):
        queue.SimpleQueue().get(timeout=timeout)


def _condition_stays_false(timeout):
    with CONDITION:
        assert not CONDITION.wait_for(bool, timeout)


@pytest.mark.parametrize(
    "waits",
    [
        lambda timeout: threading.Semaphore(0).acquire(timeout=timeout),
        lambda timeout: threading.Event().wait(timeout),
        _barrier_breaks,
        _queue_stays_empty,
        _condition_stays_false,
    ],
    ids=["Semaphore", "Event", "Barrier", "SimpleQueue", "Condition"],
)
def test_a_wait_that_times_out_takes_exactly_its_timeout(sim, submit, waits):
    def task():
        return waits(2.5), now()

    assert submit(task).get()[1] == 2.5
    waits(600.0)
    assert now() == 602.5


def test_a_real_thread_waits_for_a_semaphore_in_real_time(sim):
    spans = []

    def waits():
        began = time.clock_gettime(time.CLOCK_MONOTONIC)
        threading.Semaphore(0).acquire(timeout=0.001)
        spans.append(time.clock_gettime(time.CLOCK_MONOTONIC) - began)

    thread = threading.Thread(target=waits)
    thread.start()
    thread.join()

    assert spans[0] >= 0.001
    assert now() == 0.0


def test_what_one_task_gives_another_gets(sim, submit):
    box, simple, event, barrier = queue.Queue(1), queue.SimpleQueue(), threading.Event(), threading.Barrier(2)

    def gives():
        time.sleep(5)
        box.put("one")
        box.put("two")
        simple.put("three")
        event.set()
        barrier.wait()

    def takes():
        taken = box.get(), box.get(), simple.get(), event.wait(), now()
        time.sleep(3)
        barrier.wait()
        return taken, now()

    submit(gives)
    assert submit(takes).get() == [["one", "two", "three", True, 5.0], 8.0]


def test_a_soft_time_limit_ends_the_wait_for_a_lock(sim, app):
    @app.task(name="holds", shared=False)
    def holds():
        with LOCK:
            time.sleep(60)

    @app.task(name="waits", shared=False, soft_time_limit=5)
    def waits():
        try:
            with LOCK:
                pass
        except Exception as error:
            return type(error).__name__, now()

    sim.start_worker(app, concurrency=2)
    holds.delay()
    assert waits.delay().get() == ["SoftTimeLimitExceeded", 5.0]


def test_locks_are_given_back_as_they_were():
    before = LOCK, RLOCK, Client.class_lock, CLIENT.lock, dict(vars(CONDITION)), threading.Lock, queue.SimpleQueue
    with Simulation():
        assert (LOCK is before[0], RLOCK is before[1], Client.class_lock is before[2]) == (False, False, False)
    after = LOCK, RLOCK, Client.class_lock, CLIENT.lock, dict(vars(CONDITION)), threading.Lock, queue.SimpleQueue

    assert after == before


def test_a_lock_made_in_a_simulation_is_a_lock_after_it():
    with Simulation():
        lock, rlock = threading.Lock(), threading.RLock()

    seen = []
    with lock, rlock, rlock:
        thread = threading.Thread(target=lambda: seen.append((lock.acquire(False), rlock.acquire(timeout=0.001))))
        thread.start()
        thread.join()
    assert seen == [(False, False)]
    assert lock.acquire()
    lock.release()
    with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
        rlock.release()


def test_a_real_thread_of_the_test_and_a_task_exclude_each_other(sim, submit):
    order, inside, go = [], threading.Event(), threading.Event()

    def real():
        with LOCK:
            inside.set()
            go.wait(5)
            order.append("thread")

    def locks():
        with LOCK:
            order.append("task")

    thread = threading.Thread(target=real)
    thread.start()
    inside.wait(5)
    submit(locks)
    go.set()
    sim.run()
    thread.join()

    assert order == ["thread", "task"]
