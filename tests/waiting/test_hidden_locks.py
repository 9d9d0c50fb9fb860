"""Locks made before the simulation that no plain name leads to: found in the depth, or named when they block."""

import _thread
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest
from kombu.utils.functional import memoize

from retrysim import Deadlock, Simulation
from retrysim.patches import locks, real_locks

START = 1577880000


def now():
    return time.time() - START


class Limiter:
    def __init__(self):
        self.lock = threading.Lock()


class Slotted:
    __slots__ = ("empty", "lock")

    def __init__(self):
        self.lock = threading.RLock()


class Client:
    def __init__(self):
        self.limiter = Limiter()
        self.slotted = Slotted()


def with_a_closure(lock):
    def get():
        return lock

    return get


REGISTRY = {"crm": Client(), 7: [Client()]}
BY_DEFAULT = defaultdict(list, locks=[threading.Lock()])
QUEUE = deque([(Limiter(), {Limiter()})])
GUARD = with_a_closure(threading.Lock())
CONDITIONS = [threading.Condition()]
METHOD = Client().limiter.__init__

HIDDEN = {
    "of an object in a dict": lambda: REGISTRY["crm"].limiter.lock,
    "of a slot": lambda: REGISTRY[7][0].slotted.lock,
    "of an object in a tuple in a deque": lambda: QUEUE[0][0].lock,
    "of an object in a set": lambda: next(iter(QUEUE[0][1])).lock,
    "of a list in a defaultdict": lambda: BY_DEFAULT["locks"][0],
    "of a closure": GUARD,
    "of a condition in a list": lambda: CONDITIONS[0],
    "of a bound method": lambda: METHOD.__self__.lock,
}


@pytest.mark.parametrize("find", HIDDEN.values(), ids=HIDDEN)
def test_two_tasks_are_never_inside_a_hidden_lock(spans_inside, find):
    assert spans_inside(find, tasks=2) == [(0.0, 10.0), (10.0, 20.0)]


def test_hidden_locks_are_given_back_as_they_were():
    def found():
        return [find() for find in HIDDEN.values()]

    before = found()
    inner = [getattr(lock, "_lock", lock) for lock in before]
    with Simulation():
        inside = [getattr(lock, "_lock", lock) for lock in found()]
        assert all(ours is not real for ours, real in zip(inside, inner, strict=True))

    assert all(after is real for after, real in zip(found(), before, strict=True))
    assert [getattr(lock, "_lock", lock) for lock in found()] == inner


def test_what_the_user_has_put_in_the_place_of_a_lock_meanwhile_stays():
    holder = REGISTRY["crm"].limiter
    real = holder.lock
    with Simulation():
        holder.lock = None
    assert holder.lock is None
    holder.lock = real


def test_an_object_that_would_be_evaluated_by_a_look_at_it_is_let_be(monkeypatch):
    looked = []

    class Lazy:
        @property
        def __dict__(self):
            looked.append("evaluated")
            return {}

        @property
        def __class__(self):
            looked.append("evaluated")
            return dict

    monkeypatch.setitem(globals(), "LAZY", [Lazy()])
    with Simulation():
        pass
    assert looked == []


# -- what no name leads to ---------------------------------------------------------------------------------------------

AWAY = SimpleNamespace()  # nobody looks into objects of the standard library


@pytest.fixture
def away(monkeypatch):
    """Comes before ``sim``; and what takes five seconds of reality takes a tenth of one."""
    monkeypatch.setattr(real_locks, "PERIOD", 0.01)
    AWAY.lock, AWAY.queue = threading.Lock(), queue.SimpleQueue()


def enters():
    with AWAY.lock:
        time.sleep(10)


def acquires():
    AWAY.lock.acquire()


def acquires_for_a_minute():
    AWAY.lock.acquire(timeout=60)


def acquires_by_a_call():
    (lambda: AWAY.lock)().acquire()


def takes():
    AWAY.queue.get()


@pytest.mark.parametrize(
    ("blocks", "awaited", "source"),
    [
        (enters, "AWAY.lock", "with AWAY.lock:"),
        (acquires, "AWAY.lock", "AWAY.lock.acquire()"),
        (acquires_for_a_minute, "AWAY.lock", "AWAY.lock.acquire(timeout=60)"),
        (acquires_by_a_call, "(lambda: AWAY.lock)()", "(lambda: AWAY.lock)().acquire()"),
        (takes, "AWAY.queue", "AWAY.queue.get()"),
    ],
)
def test_what_blocks_for_real_is_a_deadlock_that_names_the_line(away, sim, submit, blocks, awaited, source):
    holder, other = submit(enters), submit(blocks)
    with pytest.raises(Deadlock) as caught:
        sim.run()

    assert str(caught.value) == (
        "a task blocks for real, and all others with it:\n"
        f"  call[{other.id[:8]}] waits for {awaited}\n"
        f"    on celery@worker-1 slot 1002, at test_hidden_locks.py:{blocks.__code__.co_firstlineno + 1}: {source}\n"
        f"  {awaited} was made before the simulation, and no name leads to it: it is waited for in real time, and\n"
        "  meanwhile nobody goes on who could release it. Make it inside the simulation, or let a global of the\n"
        '  project lead to it. If a real thread has it: sim.allow("threads")\n'
        "  Who else waits:\n"
        f"    call[{holder.id[:8]}] waits for 10s to pass\n"
        f"      on celery@worker-1 slot 1001, at test_hidden_locks.py:{enters.__code__.co_firstlineno + 2}:"
        " time.sleep(10)"
    )
    assert sim.now.second == 0


def test_nothing_is_left_behind():
    before, threads = signal.getsignal(signal.SIGURG), len(sys._current_frames())
    with Simulation():
        assert signal.getsignal(signal.SIGURG) is not before
    until = time.monotonic() + 5
    while len(sys._current_frames()) > threads and time.monotonic() < until:
        pass

    assert (signal.getsignal(signal.SIGURG), len(sys._current_frames())) == (before, threads)


def test_what_computes_or_waits_for_a_real_process_is_let_be(away, sim, submit):
    sim.allow("subprocess")

    def works():
        counted = sum(1 for _ in range(3_000_000))
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)"])
        return counted, now()

    assert submit(works).get() == [3_000_000, 0.0]


def test_a_real_thread_that_has_the_lock_is_waited_for_where_that_is_allowed(away, sim, submit):
    sim.allow("threads")
    AWAY.lock.acquire()
    _thread.start_new_thread(lambda: (AWAY.queue.put("begun"), select.select([], [], [], 0.3), AWAY.lock.release()), ())
    AWAY.queue.get()

    def waits():
        with AWAY.lock:
            return now()

    assert submit(waits).get() == 0.0


class Worker(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.lock, self.go = threading.Lock(), threading.Event()

    def run(self):
        self.go.wait(60)


def test_a_real_thread_keeps_the_lock_by_which_it_is_joined(monkeypatch):
    worker = Worker()
    monkeypatch.setitem(globals(), "WORKER", [worker])
    real = worker.lock
    worker.start()
    with Simulation():
        assert worker.lock is not real
        worker.go.set()
        worker.join()
        assert not worker.is_alive()


# -- what is left locked -----------------------------------------------------------------------------------------------


class Key:
    """A key of a dict, at the hash of which something happens."""

    def __init__(self, happens):
        self._happens = happens

    def __hash__(self):
        self._happens()
        return 7


@contextmanager
def inside_of(lock):
    with lock:
        yield


AWAY.memoized, AWAY.raise_signal = memoize(Cache=dict)(lambda _key: 1), signal.raise_signal
OWN = memoize(Cache=dict)(lambda _key: 1)


def in_a_with(happens):
    with AWAY.lock:
        happens()


def in_two(happens):
    for _ in range(1):
        with AWAY.lock, threading.RLock(), AWAY.reentrant:
            try:
                (lambda: happens)()()
            finally:
                pass


def in_a_context_manager(happens):
    with inside_of(AWAY.lock):
        happens()


def in_a_memoized_function(happens):
    AWAY.memoized(Key(happens))


def in_a_memoized_function_of_the_project(happens):
    OWN(Key(happens))


def interrupts():
    AWAY.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("end", ["runs on", "is killed", "is interrupted"])
@pytest.mark.parametrize(
    "holds",
    [in_a_with, in_two, in_a_context_manager, in_a_memoized_function, in_a_memoized_function_of_the_project],
)
def test_a_lock_that_a_process_holds_is_free_after_its_simulation(holds, end):
    AWAY.lock, AWAY.reentrant = threading.Lock(), threading.RLock()
    hashed = []

    def happens():
        hashed.append(1)
        if not holds.__name__.startswith("in_a_memoized") or len(hashed) == 2:  # the tuple's first hash takes no lock
            interrupts() if end == "is interrupted" else time.sleep(60)

    with suppress(KeyboardInterrupt), Simulation() as sim:
        program = sim.start_program(lambda: holds(happens))
        sim.run_for("10s")
        if end == "is killed":
            program.kill()

    all_of_them = [AWAY.lock, AWAY.reentrant, *map(mutex_of, (AWAY.memoized, OWN))]
    held = [lock for lock in all_of_them if not taken_by_another_thread(lock)]
    assert held == []


def mutex_of(memoized):
    cells = dict(zip(memoized.__code__.co_freevars, memoized.__closure__, strict=True))
    return cells["mutex"].cell_contents


def taken_by_another_thread(lock):
    taken = []

    def take():
        taken.append(lock.acquire(timeout=0))
        if taken[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return taken[0]


class InterruptedAtRelease:
    """A lock of the interpreter's own, and a Ctrl-C just before it is released for the first time."""

    def __init__(self, real):
        self.real, self.interrupted = real, False

    def __getattr__(self, name):
        return getattr(self.real, name)

    def release(self):
        if not self.interrupted:
            self.interrupted = True
            interrupts()
        self.real.release()


@pytest.mark.parametrize("moment", ["taken", "released"])
def test_a_lock_is_free_after_a_simulation_that_is_interrupted_while_it_is(moment, monkeypatch):
    real = GUARD()

    def enters_and_leaves():
        if moment == "taken":
            monkeypatch.setattr(locks.Locks, "holder", lambda _: interrupts())
        else:
            GUARD()._real = InterruptedAtRelease(real)
        with GUARD():
            pass

    def simulate():
        with Simulation() as sim:
            sim.start_program(enters_and_leaves)
            try:
                sim.run()
            finally:
                monkeypatch.undo()

    with pytest.raises(KeyboardInterrupt):
        simulate()

    assert taken_by_another_thread(real)


def test_a_lock_that_the_test_holds_stays_its_own():
    lock = AWAY.lock = threading.Lock()
    with lock:
        with Simulation() as sim:
            sim.start_program(time.sleep, 10)
            sim.run()
        assert lock.locked()
    assert not lock.locked()
