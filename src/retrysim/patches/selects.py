"""Stands in for what waits under an event loop: ``select`` of the ``selectors``, and what the module ``select`` has.

A loop that has nothing to listen to but its own self-pipe waits for its next timer or for ``call_soon_threadsafe``:
both are of this simulation, so it waits in virtual time. Real files and sockets are waited for in real time.
"""

from __future__ import annotations

import select
import selectors
from asyncio import events, selector_events
from collections.abc import Callable
from typing import Any, Self
from weakref import WeakKeyDictionary

from retrysim.clock import GRID_NS, grid_ns
from retrysim.errors import Deadlock
from retrysim.kernel import Condition, Environment
from retrysim.patches.companions import Companions
from retrysim.patches.places import module_of_caller
from retrysim.patches.reality import DATABASE_DRIVERS, SELECT, SUBPROCESS, Reality
from retrysim.patches.stand_ins import StandIns
from retrysim.undo import UndoStack

_SELECTORS = ("SelectSelector", "PollSelector", "EpollSelector", "DevpollSelector", "KqueueSelector")
Wait = Callable[[float | None], None]
#: How long a real thread is waited for before virtual time passes, in real seconds.
_MOMENT_S = 0.02


def virtual_selects(stand_ins: StandIns, environment: Environment, reality: Reality) -> None:
    """Let selectors of the simulation's thread wait in virtual time."""
    waiting: WeakKeyDictionary[Any, Condition] = WeakKeyDictionary()
    for name in _SELECTORS:
        kind = getattr(selectors, name, None)
        if kind is not None:
            stand_ins.put(kind, "select", _virtual_select(kind.select, environment, reality, waiting))
    stand_ins.put(select, "select", virtual_select_function(select.select, environment, reality))
    if hasattr(select, "poll"):
        stand_ins.put(select, "poll", _Poll.made_of(select.poll, environment, reality, a_second=1000))
    if hasattr(select, "epoll"):
        stand_ins.put(select, "epoll", _Poll.made_of(select.epoll, environment, reality, a_second=1))
    _wake_by_self_pipe(stand_ins.undo, waiting)


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
            return wait_really(environment, reality, lambda seconds: real(self, seconds), timeout, [])
        condition = waiting.setdefault(self, Condition("an event loop's next event"))
        if environment.current is None and reality.companions.thread_lives:
            return _wait_in_the_test(environment, condition, timeout, lambda seconds: real(self, seconds))
        environment.wait(condition, timeout_ns=None if timeout is None else grid_ns(timeout))
        return real(self, 0)

    return select


def virtual_event_loops_of_a_suite(undo: UndoStack, environment: Environment, companions: Companions) -> None:
    """Until ``undo`` is unwound, the timers of event loops on the simulation's thread are due in virtual time.

    A loop that listens to real files waits in real time, too, and a real thread that may call it has a moment.
    """
    waiting: WeakKeyDictionary[Any, Condition] = WeakKeyDictionary()

    def made_of(real: Callable[..., Any]) -> Callable[..., Any]:
        def select(self: Any, timeout: float | None = None) -> Any:
            if environment.over or not environment.owns_thread or not _is_of_a_loop(self):
                return real(self, timeout)
            ready = real(self, 0)
            if ready or (timeout is not None and timeout <= 0):
                return ready
            if _listens(self) or (timeout is None and companions.thread_lives):
                ready = real(self, timeout)
                if not ready and timeout is not None:
                    environment.sleep(grid_ns(timeout) + GRID_NS)
                return ready
            if companions.thread_lives and (ready := real(self, min(timeout or 0, _MOMENT_S))):
                return ready
            condition = waiting.setdefault(self, Condition("an event loop's next event"))
            environment.wait(condition, timeout_ns=None if timeout is None else grid_ns(timeout))
            return real(self, 0)

        return select

    for name in _SELECTORS:
        kind = getattr(selectors, name, None)
        if kind is not None:
            undo.set_attribute(kind, "select", made_of(kind.select))
    _wake_by_self_pipe(undo, waiting)


def _wait_in_the_test(
    environment: Environment, condition: Condition, timeout: float | None, wait: Callable[[float], Any]
) -> Any:
    """Wait for the simulation and for a real thread of the test's, which may have the next event, too.

    It has a moment before virtual time passes, and as long as anything may compute once nothing is left to happen.
    """
    ready = wait(_MOMENT_S if timeout is None else min(timeout, _MOMENT_S))
    try:
        if not ready:
            environment.wait(condition, timeout_ns=None if timeout is None else grid_ns(timeout))
            ready = wait(0)
    except Deadlock:
        ready = wait(float(environment.limits.real_seconds))
        if not ready:
            raise
    return ready


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
        return wait_really(environment, reality, lambda seconds: real(rlist, wlist, xlist, seconds), timeout, ready)

    return select


class _Poll:
    """What stands in for ``select.poll()`` and ``select.epoll()``; ``a_second`` is how they write one."""

    def __init__(self, real: Any, environment: Environment, reality: Reality, a_second: int) -> None:
        self._real = real
        self._environment = environment
        self._reality = reality
        self._a_second = a_second
        self._files: set[int] = set()

    @classmethod
    def made_of(cls, kind: Any, environment: Environment, reality: Reality, a_second: int) -> Callable[..., _Poll]:
        return lambda *args, **kwargs: cls(kind(*args, **kwargs), environment, reality, a_second)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __enter__(self) -> Self:
        self._real.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._real.__exit__(*error)

    def register(self, fd: Any, *events: int) -> None:
        self._real.register(fd, *events)
        self._files.add(_number(fd))

    def unregister(self, fd: Any) -> None:
        self._real.unregister(fd)
        self._files.discard(_number(fd))

    def poll(self, timeout: float | None = None, *more: int) -> Any:
        environment = self._environment
        seconds = None if timeout is None or timeout < 0 else timeout / self._a_second
        if environment.over or not environment.owns_thread:
            return self._real.poll(timeout, *more)
        ready = self._real.poll(0, *more)
        if ready or seconds == 0:
            return ready
        if not self._files and seconds is not None:
            environment.sleep(grid_ns(seconds))
            return ready
        return wait_really(environment, self._reality, lambda _: self._real.poll(timeout, *more), seconds, ready)


def _number(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())


def wait_really(
    environment: Environment,
    reality: Reality,
    wait: Callable[[float | None], Any],
    timeout: float | None,
    nothing: Any,
) -> Any:
    """Wait for real files in real time; when nothing came, that much virtual time has passed too.

    And one step more: ``Popen.communicate`` goes on until its timeout is exceeded. A database's driver waits for an
    answer that costs the simulation no time.
    """
    if module_of_caller().partition(".")[0] in DATABASE_DRIVERS:
        return wait(timeout)
    if not reality.addresses and not reality.permits(SUBPROCESS):  # whose pipes may be waited for, too
        reality.check("waits for a file or a socket", SELECT)
    ready = wait(timeout)
    if ready == nothing and timeout is not None:
        environment.sleep(grid_ns(timeout) + GRID_NS)
    return ready


def _is_of_a_loop(selector: Any) -> bool:
    """Whether it is that of the event loop that runs now."""
    return getattr(events._get_running_loop(), "_selector", None) is selector


def _listens(selector: Any) -> bool:
    """Whether a selector waits for more than its event loop's own self-pipe."""
    loop: Any = events._get_running_loop()
    own = loop._ssock.fileno() if _is_of_a_loop(selector) else None
    return any(key.fd != own for key in selector.get_map().values())


def _wake_by_self_pipe(undo: UndoStack, waiting: WeakKeyDictionary[Any, Condition]) -> None:
    loop_class: Any = selector_events.BaseSelectorEventLoop
    real = loop_class._write_to_self

    def _write_to_self(self: Any) -> None:
        selector = self._selector  # none once the loop is closed, which it may be as soon as it is awake
        condition = None if selector is None else waiting.get(selector)
        real(self)
        if condition is not None:
            condition.notify_all()

    undo.set_attribute(loop_class, "_write_to_self", _write_to_self)
