"""Stands in for ``threading.Lock`` and ``RLock``: who waits for one that another task holds waits in virtual time.

Underneath is a real lock, so that real threads (of a telemetry SDK, say) and a lock that outlives the simulation see
what they are used to. A thread of the simulation tries the real lock and, if it is taken, waits for its release.
"""

from __future__ import annotations

import sys
from _thread import LockType, allocate_lock, get_ident
from dataclasses import dataclass
from itertools import count
from typing import Any, Self
from weakref import WeakValueDictionary

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment, Thread
from retrysim.patches.places import place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLock:
    """A lock, where it was made (or the name it has), and the thread that holds it."""

    what: str
    holder: Thread


class Locks:
    """All locks of one simulation, in the order in which they were made."""

    def __init__(self, environment: Environment) -> None:
        #: ``None`` when the simulation is over: a lock that outlives it keeps nothing of it
        self.environment: Environment | None = environment
        self._numbers = count()
        self._locks: WeakValueDictionary[int, Lock] = WeakValueDictionary()

    def add(self, lock: Lock) -> None:
        self._locks[next(self._numbers)] = lock

    def holder(self) -> Thread | int:
        """Who asks: a thread of the simulation, or the ident of a real one."""
        environment = self.environment
        return environment.thread if environment is not None and environment.owns_thread else get_ident()

    def end(self) -> None:
        """The simulation is over: what its threads hold, nobody would give back; what the test holds stays its own."""
        environment, self.environment = self.environment, None
        for lock in list(self._locks.values()):
            if environment is not None and lock.holder is environment.main_thread:
                lock.holder = environment.main_thread.ident
            elif isinstance(lock.holder, Thread):
                lock.release()

    @property
    def held(self) -> list[HeldLock]:
        """The locks that threads of the simulation hold."""
        locks = [lock for _, lock in sorted(self._locks.items())]
        return [HeldLock(what=lock.what, holder=lock.holder) for lock in locks if isinstance(lock.holder, Thread)]

    @property
    def held_by_the_dead(self) -> list[HeldLock]:
        """The locks that nobody will release: their holders were killed."""
        return [held for held in self.held if held.holder.lost]


class Lock:
    """``threading.Lock``; ``what`` says to a person which one."""

    __slots__ = ("__weakref__", "_freed", "_locks", "_real", "_task", "holder", "what")
    __module__ = "_thread"  # as the real one has it: trio asks
    kind = "threading.Lock"

    def __init__(self, locks: Locks, real: Any = None, what: str | None = None) -> None:
        self._locks = locks
        self._real: Any = real or allocate_lock()
        self._freed: Condition | None = None
        self.what = what or f"a {self.kind} made at {place_of(sys._getframe(1))}"
        self.holder: Thread | int | None = None
        self._task = ""  # in which the holder took it
        locks.add(self)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking or timeout != -1:
            return self._acquire_within(blocking, timeout)
        if not self._real.acquire(False):
            self._wait(None)
        self._is_ours()
        return True

    def _acquire_within(self, blocking: bool, timeout: float) -> bool:
        if not blocking or timeout < 0:  # the real lock says what is wrong with a timeout
            acquired = self._real.acquire(blocking, timeout)
        else:
            acquired = self._real.acquire(False) or self._wait(grid_ns(timeout))
        if acquired:
            self._is_ours()
        return bool(acquired)

    def _is_ours(self) -> None:
        holder = self.holder = self._locks.holder()
        self._task = holder.tasks[-1] if isinstance(holder, Thread) and holder.tasks else ""
        if self._freed is not None:
            self._freed.name = self._awaited

    def _wait(self, timeout_ns: int | None) -> bool:
        """Wait until it is ours: in virtual time, unless a real thread is involved."""
        environment = self._locks.environment
        if environment is None or environment.over or not environment.owns_thread or isinstance(self.holder, int):
            return bool(self._real.acquire(True, -1 if timeout_ns is None else timeout_ns / 1e9))
        deadline_ns = None if timeout_ns is None else environment.clock.ns + timeout_ns
        while not self._real.acquire(False):
            left_ns = None if deadline_ns is None else deadline_ns - environment.clock.ns
            if left_ns is not None and left_ns <= 0:
                return False
            self._freed = self._freed or Condition(self._awaited)
            environment.wait(self._freed, timeout_ns=left_ns)
        return True

    @property
    def _awaited(self) -> str:
        holder = self.holder
        if not isinstance(holder, Thread):
            return f"{self.what}, which nobody of the simulation holds"
        who = f"{holder.name} ({self._task})" if self._task else holder.name
        return f"{self.what}, which {who} holds" + (", which was killed" if holder.lost else "")

    def release(self) -> None:
        if not isinstance(self.holder, int):  # of a real thread, it stays known until the next one has it
            self.holder = None
        self._real.release()
        if self._freed is not None:
            self._freed.notify()

    def locked(self) -> bool:
        return bool(self._real.locked())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} {self.what}>"

    def _at_fork_reinit(self) -> None:
        self.holder = None
        self._real._at_fork_reinit()


class RLock:
    """``threading.RLock``: its owner is a thread of the simulation, not the one that runs them all."""

    __slots__ = ("__weakref__", "_count", "_lock", "_locks")
    __module__ = "_thread"
    kind = "threading.RLock"

    def __init__(self, locks: Locks, what: str | None = None) -> None:
        self._locks = locks
        self._lock = Lock(locks, what=what or f"a {self.kind} made at {place_of(sys._getframe(1))}")
        self._count = 0

    @property
    def holder(self) -> Thread | int | None:
        return self._lock.holder

    @property
    def what(self) -> str:
        return self._lock.what

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._is_owned():
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._count = 1
        return True

    def release(self) -> None:
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self._count else 'unlocked'} {self.what} count={self._count}>"

    def locked(self) -> bool:
        return self._lock.locked()

    # what threading.Condition asks of its lock

    def _is_owned(self) -> bool:
        return self._count > 0 and self._lock.holder == self._locks.holder()

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _release_save(self) -> int:
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        saved, self._count = self._count, 0
        self._lock.release()
        return saved

    def _acquire_restore(self, saved: int) -> None:
        self._lock.acquire()
        self._count = saved

    def _at_fork_reinit(self) -> None:
        self._count = 0
        self._lock._at_fork_reinit()

    @classmethod
    def over(cls, locks: Locks, real: Any, what: str) -> Self:
        """Stands in for a real one, which somebody may hold."""
        lock = cls(locks, what)
        if real._is_owned():
            lock.acquire()
            lock._count = real._recursion_count() if hasattr(real, "_recursion_count") else 1
        return lock


def stand_in(locks: Locks, real: Any, what: str) -> Lock | RLock:
    """What stands in for a lock that was made before the simulation, called ``what``."""
    if isinstance(real, Lock):
        return Lock(locks, real._real, what)
    return Lock(locks, real, what) if type(real) is LockType else RLock.over(locks, real, what)
