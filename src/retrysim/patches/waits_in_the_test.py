"""Stands in for ``threading.Condition.wait`` in the test itself: the simulation runs until somebody notifies.

That may be a task, or another thread of the test's process, which lives in real time. So while other threads live, the
test first waits a moment of real time, and once nothing can happen in the simulation, it waits for them as long as
asked.
"""

from __future__ import annotations

import sys
import threading
from _thread import allocate_lock
from typing import Any

from retrysim.clock import grid_ns
from retrysim.durations import SECOND
from retrysim.kernel import Environment

#: How long other threads are waited for before the simulation goes on without them, in real seconds.
_MOMENT = 0.02


class _Waiter:
    """What ``Condition.notify`` releases: a lock, as far as it can see."""

    def __init__(self) -> None:
        self.notified = False
        self._lock = allocate_lock()  # the interpreter's own, whatever stands in for threading.Lock just now
        self._lock.acquire()

    def release(self) -> None:
        self.notified = True
        self._lock.release()

    def wait_really(self, seconds: float) -> bool:
        return self._lock.acquire(timeout=seconds)


class WaitsInTheTest:
    """``Condition.wait``, by whoever drives the simulation; ``Deadlock`` when nobody is left who could notify."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._before = _real_threads()  # of pytest's plugins, say: none of these notifies a test

    def wait(self, condition: Any, timeout: float | None) -> bool:
        if not condition._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter = _Waiter()
        condition._waiters.append(waiter)
        saved = condition._release_save()
        try:
            self._wait_for(waiter, timeout)
        finally:
            condition._acquire_restore(saved)
            if not waiter.notified:
                condition._waiters.remove(waiter)
        return waiter.notified

    def _wait_for(self, waiter: _Waiter, timeout: float | None) -> None:
        environment, others = self._environment, not self._before.issuperset(_real_threads())
        if others and waiter.wait_really(_MOMENT):
            return
        until_ns = None if timeout is None else environment.clock.ns + grid_ns(timeout)
        self._drive(waiter, until_ns)
        left_s = -1.0 if until_ns is None else (until_ns - environment.clock.ns) / SECOND
        if waiter.notified or (others and left_s and waiter.wait_really(left_s)):
            return
        if until_ns is None:
            raise environment.in_vain(
                "the test waits for a threading.Condition to be notified, but nothing is left that could do it"
            )
        environment.run(until_ns=until_ns)

    def _drive(self, waiter: _Waiter, until_ns: int | None) -> None:
        """Let the simulation run until somebody notifies, until the instant, or until nothing is left to happen."""
        passed: list[bool] = []
        environment = self._environment
        end = until_ns and environment.schedule(until_ns, lambda: passed.append(True), daemon=True)
        environment.run(until=lambda: waiter.notified or bool(passed))
        if end:
            end.cancel()


def _real_threads() -> frozenset[threading.Thread]:
    """Those that the interpreter runs, and not the simulation."""
    idents = sys._current_frames().keys()
    return frozenset(thread for thread in threading.enumerate() if thread.ident in idents)
