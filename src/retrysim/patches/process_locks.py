"""Lets simulated processes wait in virtual time for a lock of ``multiprocessing`` or billiard that another one holds.

Such a lock is a semaphore of the operating system. Waiting for it in real time would stop the whole simulation, and
with it whoever holds the lock. In the process of the test, a lock that no process of the simulation holds is waited for
as always: a program of the machine has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment, Thread
from retrysim.undo import UndoStack

if TYPE_CHECKING:
    from retrysim.kernel.forked.inside import Link

#: The packages that have such locks: the module, and where it keeps what was made before a fork.
_PACKAGES = ("multiprocessing", "billiard")


def share_process_locks(undo: UndoStack, environment: Environment) -> None:
    """Until ``undo`` is unwound, let who waits for such a lock wait in virtual time: those that exist, and new ones."""
    locks = _ProcessLocks(environment)
    undo.then(locks.release_what_is_held)
    for package in _PACKAGES:
        with suppress(ImportError):  # a platform without such semaphores
            _put(undo, locks, package, import_module(f"{package}.synchronize"))
    environment.faces.share("process locks", locks.released)
    environment.faces.in_child.append(locks.begin_in_child)


def _put(undo: UndoStack, locks: _ProcessLocks, package: str, module: ModuleType) -> None:
    kind = module.SemLock
    real_make_methods = kind._make_methods
    known: WeakSet[Any] = WeakSet()

    def make_methods(lock: Any) -> None:
        known.add(lock)
        lock.acquire, lock.release = partial(locks.acquire, lock), partial(locks.release, lock)

    def make_real_methods() -> None:
        for lock in list(known):
            real_make_methods(lock)

    undo.set_attribute(kind, "_make_methods", make_methods)
    undo.set_attribute(kind, "__enter__", lambda lock: lock.acquire())
    undo.set_attribute(kind, "__exit__", lambda lock, *_error: lock.release())
    undo.then(make_real_methods)
    for lock in _made_before(package, kind):
        make_methods(lock)


def _made_before(package: str, kind: type) -> Iterator[Any]:
    registry = getattr(sys.modules.get(f"{package}.util"), "_afterfork_registry", {})
    yield from [made for made in list(registry.values()) if isinstance(made, kind)]


class _ProcessLocks:
    """Who holds which lock, of the simulated processes that are in this process of the machine."""

    def __init__(self, environment: Environment) -> None:
        self.released = Condition("a lock of multiprocessing")
        self._environment = environment
        #: lock → its holder, and how many times that has taken it
        self._held: WeakKeyDictionary[Any, tuple[Thread, int]] = WeakKeyDictionary()
        self._pid = os.getpid()
        self._isolated = False

    def begin_in_child(self, _link: Link) -> None:
        """In an isolated pool process: whoever holds a lock is far away, and notifies this process."""
        self._held.clear()
        self._pid, self._isolated = os.getpid(), True

    def acquire(self, lock: Any, block: bool = True, timeout: float | None = None) -> bool:
        environment = self._environment
        deadline_ns = None if timeout is None or not self._can_wait else environment.clock.ns + grid_ns(timeout)
        while not self._take(lock):
            if not (self._can_wait and block and (self._isolated or lock in self._held)):
                return bool(lock._semlock.acquire(block, timeout))
            left_ns = None if deadline_ns is None else deadline_ns - environment.clock.ns
            if left_ns is not None and left_ns <= 0:
                return False
            environment.wait(self.released, timeout_ns=left_ns)
        return True

    def release(self, lock: Any) -> None:
        lock._semlock.release()
        if lock in self._held:
            holder, times = self._held.pop(lock)
            if times > 1:
                self._held[lock] = holder, times - 1
        if self._can_wait:
            self.released.notify_all()

    def release_what_is_held(self) -> None:
        """The simulation is over: nobody else would release what its processes hold."""
        for lock, (holder, times) in list(self._held.items()):
            with suppress(ValueError):  # another process of the machine has released it
                for _ in range(0 if holder is self._environment.main_thread else times):
                    lock._semlock.release()

    @property
    def _can_wait(self) -> bool:
        """Whether the caller is in the simulation; a thread or a fork of it is not."""
        return self._environment.owns_thread and not self._environment.over and os.getpid() == self._pid

    def _take(self, lock: Any) -> bool:
        """Take a lock that is free. To the system all threads of the simulation are one, which holds a lock for all."""
        if not self._can_wait:
            return False
        thread, semaphore = self._environment.thread, lock._semlock
        is_recursive = semaphore.kind == _RECURSIVE
        holder, times = self._held.get(lock, (thread, 0))
        if (is_recursive and holder is not thread) or not semaphore.acquire(False):
            return False
        if semaphore.maxvalue == 1:
            self._held[lock] = thread, times + 1 if is_recursive else 1
        return True


#: ``multiprocessing.synchronize.RECURSIVE_MUTEX``
_RECURSIVE = 0
