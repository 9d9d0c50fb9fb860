"""Stands in for what waits under an event loop: ``select`` of the ``selectors``, and ``select.select``.

A loop that has nothing to listen to but its own self-pipe waits for its next timer or for ``call_soon_threadsafe``:
both are of this simulation, so it waits in virtual time. Real files and sockets are waited for in real time.
"""

from __future__ import annotations

import select
import selectors
from asyncio import events, selector_events
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment
from retrysim.patches.places import module_of_caller
from retrysim.patches.reality import DATABASE_DRIVERS, SELECT, Reality
from retrysim.undo import UndoStack

_SELECTORS = ("SelectSelector", "PollSelector", "EpollSelector", "DevpollSelector", "KqueueSelector")
Wait = Callable[[float | None], None]


def virtual_selects(undo: UndoStack, environment: Environment, reality: Reality) -> None:
    """Let selectors of the simulation's thread wait in virtual time, until ``undo`` is unwound."""
    waiting: WeakKeyDictionary[Any, Condition] = WeakKeyDictionary()
    for name in _SELECTORS:
        kind = getattr(selectors, name, None)
        if kind is not None and "select" in vars(kind):
            undo.set_attribute(kind, "select", _virtual_select(kind.select, environment, reality, waiting))
    undo.set_attribute(select, "select", virtual_select_function(select.select, environment, reality))
    _wake_by_self_pipe(undo, waiting)


def _virtual_select(
    real: Callable[..., Any], environment: Environment, reality: Reality, waiting: WeakKeyDictionary[Any, Condition]
) -> Callable[..., Any]:
    def select(self: Any, timeout: float | None = None) -> Any:
        if environment.over or not environment.owns_thread:
            return real(self, timeout)
        ready = real(self, 0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if _listens(self):
            return _wait_really(environment, reality, lambda seconds: real(self, seconds), timeout, [])
        condition = waiting.setdefault(self, Condition("an event loop's next event"))
        environment.wait(condition, timeout_ns=None if timeout is None else grid_ns(timeout))
        return real(self, 0)

    return select


def virtual_select_function(real: Callable[..., Any], environment: Environment, reality: Reality) -> Callable[..., Any]:
    """What stands in for ``select.select``; with no files at all it is a sleep."""

    def select(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> Any:
        if environment.over or not environment.owns_thread:
            return real(rlist, wlist, xlist, timeout)
        ready = real(rlist, wlist, xlist, 0)
        if any(ready) or (timeout is not None and timeout <= 0):
            return ready
        if not (rlist or wlist or xlist) and timeout is not None:
            environment.sleep(grid_ns(timeout))
            return ready
        return _wait_really(environment, reality, lambda seconds: real(rlist, wlist, xlist, seconds), timeout, ready)

    return select


def _wait_really(
    environment: Environment,
    reality: Reality,
    wait: Callable[[float | None], Any],
    timeout: float | None,
    nothing: Any,
) -> Any:
    """Wait for real files as long as in reality; when nothing came, that much virtual time has passed too.

    A database's driver waits for an answer that costs the simulation no time.
    """
    if module_of_caller().partition(".")[0] in DATABASE_DRIVERS:
        return wait(timeout)
    if not reality.addresses:
        reality.check("waits for a file or a socket", SELECT)
    ready = wait(timeout)
    if ready == nothing and timeout is not None:
        environment.sleep(grid_ns(timeout))
    return ready


def _listens(selector: Any) -> bool:
    """Whether a selector waits for more than its event loop's own self-pipe."""
    loop: Any = events._get_running_loop()
    own = loop._ssock.fileno() if loop is not None and getattr(loop, "_selector", None) is selector else None
    return any(key.fd != own for key in selector.get_map().values())


def _wake_by_self_pipe(undo: UndoStack, waiting: WeakKeyDictionary[Any, Condition]) -> None:
    loop_class: Any = selector_events.BaseSelectorEventLoop
    real = loop_class._write_to_self

    def _write_to_self(self: Any) -> None:
        real(self)
        condition = waiting.get(self._selector)
        if condition is not None:
            condition.notify_all()

    undo.set_attribute(loop_class, "_write_to_self", _write_to_self)
