"""Stands in for what waits under trio, and for uvloop's event loop, as soon as somebody has imported them.

trio asks ``epoll`` (or ``kqueue``) itself; where it listens to nothing but its own wake-up sockets it waits for its
next deadline or for another thread, and both are of the simulation. uvloop waits in C, so asyncio's own loop runs
instead.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment
from retrysim.patches.import_watch import in_each_module
from retrysim.patches.reality import SELECT, Reality
from retrysim.patches.selects import wait_really
from retrysim.undo import UndoStack


def virtual_event_loops(undo: UndoStack, environment: Environment, reality: Reality) -> None:
    """Let the event loops of trio and uvloop wait in virtual time, until ``undo`` is unwound."""
    trio = _Trio(environment, reality)
    patch: dict[str, Callable[[ModuleType], None]] = {
        "trio._core._io_epoll": lambda module: trio.poll_by(undo, module.EpollIOManager),
        "trio._core._io_kqueue": lambda module: trio.poll_by(undo, module.KqueueIOManager),
        "trio._core._wakeup_socketpair": lambda module: trio.wake_by(undo, module.WakeupSocketpair),
        "trio._core._thread_cache": lambda module: trio.own_threads(undo, module),
        "uvloop": lambda module: _no_uvloop(undo, module, reality),
    }
    in_each_module(undo, patch, lambda module: patch[module.__name__](module))


class _Trio:
    """What trio's loops wait for in one simulation."""

    def __init__(self, environment: Environment, reality: Reality) -> None:
        self._environment = environment
        self._reality = reality
        self._waiting: WeakKeyDictionary[Any, Condition] = WeakKeyDictionary()

    def poll_by(self, undo: UndoStack, manager_class: Any) -> None:
        environment, real = self._environment, manager_class.get_events

        def get_events(manager: Any, timeout: float) -> Any:
            if environment.over or not environment.owns_thread:
                return real(manager, timeout)
            ready = real(manager, 0)
            if ready or timeout <= 0:
                return ready
            if _listens(manager):
                return wait_really(environment, self._reality, lambda seconds: real(manager, seconds), timeout, ready)
            condition = self._waiting.setdefault(manager, Condition("the next event of trio's loop"))
            environment.wait(condition, timeout_ns=None if timeout >= _FOR_EVER else grid_ns(timeout))
            return real(manager, 0)

        undo.set_attribute(manager_class, "get_events", get_events)

    def wake_by(self, undo: UndoStack, pair_class: Any) -> None:
        real = pair_class.wakeup_thread_and_signal_safe

        def wakeup_thread_and_signal_safe(pair: Any) -> None:
            real(pair)
            for condition in list(self._waiting.values()):  # who is woken for nothing looks, and waits again
                condition.notify_all()

        undo.set_attribute(pair_class, "wakeup_thread_and_signal_safe", wakeup_thread_and_signal_safe)
        # Ctrl-C belongs to whoever drives the simulation
        undo.set_attribute(pair_class, "wakeup_on_signals", lambda pair: None)

    def own_threads(self, undo: UndoStack, module: Any) -> None:
        """Threads that idle are the simulation's, or real: neither is of use to the other."""
        # the operating system knows no thread of the simulation, and takes its ident for an address
        undo.set_attribute(module, "set_os_thread_name", None)
        cache = module.THREAD_CACHE
        before = dict(cache._idle_workers)
        cache._idle_workers.clear()
        undo.then(lambda: (cache._idle_workers.clear(), cache._idle_workers.update(before)))


#: trio waits no longer than a day at a time; whoever has no deadline asks for that.
_FOR_EVER = 24 * 60 * 60


def _listens(manager: Any) -> bool:
    """Whether a loop waits for more than to be woken by a thread."""
    context = sys.modules["trio._core._run"].GLOBAL_RUN_CONTEXT
    own = {manager._force_wakeup_fd, context.runner.entry_queue.wakeup.wakeup_sock.fileno()}
    return any((key[0] if isinstance(key, tuple) else key) not in own for key in manager._registered)


def _no_uvloop(undo: UndoStack, uvloop: Any, reality: Reality) -> None:
    """New loops are asyncio's own; one that was made before the simulation is refused inside a task."""
    for name in ("run_forever", "run_until_complete"):
        real = getattr(uvloop.Loop, name)
        undo.set_attribute(uvloop.Loop, name, reality.guarded(real, "runs an event loop of uvloop's", SELECT))

    class Loop(asyncio.SelectorEventLoop):
        """Takes the place of uvloop's."""

        def __init__(self) -> None:
            super().__init__()
            reality.note("asyncio's own event loop ran in the place of uvloop's, which waits in real time")

    undo.set_attribute(uvloop, "Loop", Loop)
