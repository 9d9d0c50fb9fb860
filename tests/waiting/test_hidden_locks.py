"""Locks made before the simulation that no plain name leads to: found in the depth, or named when they block."""

import threading
import time
from collections import defaultdict, deque

import pytest

from retrysim import Simulation

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
def test_two_tasks_are_never_inside_a_hidden_lock(sim, submit, find):
    spans = []

    def holds():
        with find():
            begun = now()
            time.sleep(10)
            spans.append((begun, now()))

    for _ in range(2):
        submit(holds)
    sim.run()

    assert spans == [(0.0, 10.0), (10.0, 20.0)]


def test_hidden_locks_are_given_back_as_they_were():
    def found():
        return [find() for find in HIDDEN.values()]

    before = found()
    locks = [getattr(lock, "_lock", lock) for lock in before]
    with Simulation():
        inside = [getattr(lock, "_lock", lock) for lock in found()]
        assert all(ours is not real for ours, real in zip(inside, locks, strict=True))

    assert all(after is real for after, real in zip(found(), before, strict=True))
    assert [getattr(lock, "_lock", lock) for lock in found()] == locks


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
