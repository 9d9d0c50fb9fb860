"""Stands in for what waits: ``time.sleep``, and ``threading``'s Condition (so Event, Semaphore, Barrier and Queue too).

Only on the simulation's own thread: another thread (of a telemetry SDK, say) waits in real time as before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment, Process
from retrysim.patches.companions import AT_MOST_S, Companions
from retrysim.patches.waits_in_the_test import WaitsInTheTest
from retrysim.undo import UndoStack


def virtual_sleep(environment: Environment, companions: Companions) -> Callable[[float], None]:
    """What stands in for ``time.sleep``: suspends the process, or, outside of all, lets the simulation run.

    The test itself also sleeps for real, up to a second, while something that it has started lives (``companions``).
    """
    real_sleep = time.sleep

    def sleep(secs: float, /) -> None:
        if not environment.owns_thread:
            real_sleep(secs)
        elif secs < 0:
            raise ValueError("sleep length must be non-negative")
        else:
            if environment.current is None and environment.at_rest and companions.lives:
                real_sleep(min(secs, AT_MOST_S))
            environment.sleep(grid_ns(secs))

    return sleep


def virtual_condition_waits(undo: UndoStack, environment: Environment, starting: Sequence[threading.Thread]) -> None:
    """Let ``threading.Condition.wait`` suspend the process that calls it, or, in the test, let the simulation run.

    Real are the waits for a real thread that is being ``starting``: it says by a real event that it runs.
    """
    real_wait, real_time = threading.Condition.wait, threading._time  # type: ignore[attr-defined]
    in_the_test, waiting = WaitsInTheTest(environment), _Waiting(environment)
    environment.listeners.add(undo, killed=waiting.forget, over=waiting.forget_all)

    def is_real() -> bool:
        if starting or not environment.owns_thread:
            return True
        return environment.current is None and not environment.at_rest

    def wait(self: Any, timeout: float | None = None) -> bool:
        if is_real():
            return real_wait(self, timeout)
        if environment.current is None:
            return in_the_test.wait(self, timeout)
        return waiting.wait(self, timeout)

    def now() -> float:
        """By which ``Semaphore.acquire`` and ``Condition.wait_for`` know how much of a timeout is left."""
        return float(real_time() if is_real() else time.monotonic())

    undo.set_attribute(threading.Condition, "wait", wait)
    undo.set_attribute(threading, "_time", now)


class _Waiting:
    """The processes that wait for a ``threading.Condition``, each with a waiter that ``notify`` releases like a lock.

    One that never runs again waits no longer: the condition may be a module's, and the next ``notify`` another's.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._conditions: dict[_Waiter, Any] = {}

    def wait(self, condition: Any, timeout: float | None) -> bool:
        if not condition._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter = _Waiter(condition, self._environment.current)
        self._conditions[waiter] = condition
        condition._waiters.append(waiter)
        saved = condition._release_save()
        notified = False
        try:
            timeout_ns = None if timeout is None else grid_ns(timeout)
            notified = self._environment.wait(waiter.condition, timeout_ns=timeout_ns)
        finally:
            condition._acquire_restore(saved)
            self._end(waiter)
        return notified

    def forget(self, process: Process) -> None:
        for waiter in [waiter for waiter in self._conditions if waiter.process is process]:
            self._end(waiter)

    def forget_all(self, _processes: Sequence[Process]) -> None:
        for waiter in list(self._conditions):
            self._end(waiter)

    def _end(self, waiter: _Waiter) -> None:
        condition = self._conditions.pop(waiter, None)
        if condition is not None and waiter in condition._waiters:
            condition._waiters.remove(waiter)


class _Waiter:
    """What ``Condition.notify`` releases: a lock, as far as it can see."""

    __slots__ = ("condition", "process")

    def __init__(self, condition: Any, process: Process | None) -> None:
        lock = getattr(condition._lock, "what", None)
        self.condition = Condition("a threading.Condition to be notified" + (f" ({lock})" if lock else ""))
        self.process = process

    def release(self) -> None:
        self.condition.notify()
