"""Lets a pool process that is one of the machine wait in virtual time for a lock that it shares with the others.

A lock of ``multiprocessing`` or billiard is a semaphore of the operating system. Waiting for it in real time would stop
the whole simulation, and with it whoever holds the lock.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment

if TYPE_CHECKING:
    from retrysim.kernel.forked.inside import Link

#: The packages that have such locks: the module, and where it keeps what was made before a fork.
_PACKAGES = ("multiprocessing", "billiard")


def share_process_locks(environment: Environment) -> None:
    """Let children wait for such locks, those that exist and those that they make."""
    released = Condition("a lock of multiprocessing")
    environment.faces.share("process locks", released)

    def in_child(_link: Link) -> None:
        for package in _PACKAGES:
            module = sys.modules.get(f"{package}.synchronize")
            if module is not None:
                _wait_virtually(environment, released, module.SemLock)
                for lock in _made_before(package, module.SemLock):
                    lock._make_methods()

    environment.faces.in_child.append(in_child)


def _made_before(package: str, kind: type) -> Iterator[Any]:
    registry = getattr(sys.modules.get(f"{package}.util"), "_afterfork_registry", {})
    yield from [made for made in list(registry.values()) if isinstance(made, kind)]


def _wait_virtually(environment: Environment, released: Condition, kind: Any) -> None:
    def acquire(semaphore: Any, block: bool = True, timeout: float | None = None) -> bool:
        if semaphore.acquire(False):
            return True
        deadline_ns = None if timeout is None else environment.clock.ns + grid_ns(timeout)
        while block:
            left_ns = None if deadline_ns is None else deadline_ns - environment.clock.ns
            if left_ns is not None and left_ns <= 0:
                return False
            environment.wait(released, timeout_ns=left_ns)
            if semaphore.acquire(False):
                return True
        return False

    def release(semaphore: Any) -> None:
        semaphore.release()
        released.notify_all()

    def make_methods(lock: Any) -> None:
        lock.acquire, lock.release = partial(acquire, lock._semlock), partial(release, lock._semlock)

    kind._make_methods = make_methods
    kind.__enter__ = lambda lock: lock.acquire()
    kind.__exit__ = _exit


def _exit(lock: Any, *_error: object) -> None:
    lock.release()
