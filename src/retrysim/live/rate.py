"""Lets this process live faster than real time: its monotonic clocks run, and its waits end, N times as fast.

Wall clocks are libfaketime's affair, which the process was started under (``faketime.py``): it reaches every clock in
C. What it cannot do for Python 3.11 is waits (``time.sleep`` and timed locks wait for an instant of the monotonic
clock, and never wake when that is faked), so those are done here. To be called before anything else is imported;
whatever is imported already and holds a clock or a wait by name is given the new one.
"""

from __future__ import annotations

import functools
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_CLOCKS = ("monotonic", "perf_counter")


def live_faster(scale: float) -> None:
    """Let time pass ``scale`` times as fast in this process and its forks, for good; nothing is done for 1."""
    if scale == 1:
        return
    replaced: dict[int, tuple[Any, Any]] = {}

    def replace(owner: Any, name: str, new: Any) -> None:
        old = getattr(owner, name)
        setattr(owner, name, new)
        replaced[id(old)] = (old, new)

    for clock in _CLOCKS:
        replace(time, clock, _faster(getattr(time, clock), scale))
        replace(time, f"{clock}_ns", _faster_ns(getattr(time, f"{clock}_ns"), scale))
    replace(time, "sleep", _sleep(time.sleep, scale))
    replace(select, "select", _select(select.select, scale))
    for poller in ("poll", "epoll"):
        if hasattr(select, poller):
            replace(select, poller, functools.partial(_Poller, getattr(select, poller), scale))
    replace(signal, "setitimer", _setitimer(signal.setitimer, scale))
    replace(signal, "alarm", lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds))
    for owner, name in ((threading.Condition, "wait"), (threading.Thread, "join")):
        replace(owner, name, _timed(getattr(owner, name), scale))
    _give_to_modules(replaced)


def _give_to_modules(replaced: dict[int, tuple[Any, Any]]) -> None:
    """Give the new functions to the modules and classes that hold an old one by a name of their own."""
    for module in list(sys.modules.values()):
        holders = [module, *(value for value in vars(module).values() if isinstance(value, type))]
        for holder in holders:
            for name, value in list(vars(holder).items()):
                old, new = replaced.get(id(value), (None, None))
                if old is value and old is not None:
                    setattr(holder, name, new)


def _faster(clock: Callable[[], float], scale: float) -> Callable[[], float]:
    return lambda: clock() * scale


def _faster_ns(clock: Callable[[], int], scale: float) -> Callable[[], int]:
    return lambda: int(clock() * scale)


def _sleep(sleep: Callable[[float], None], scale: float) -> Callable[[float], None]:
    return lambda seconds: sleep(seconds / scale)


def _select(wait: Callable[..., Any], scale: float) -> Callable[..., Any]:
    def faster(read: Any, write: Any, error: Any, timeout: float | None = None) -> Any:
        return wait(read, write, error, None if timeout is None else timeout / scale)

    return faster


def _setitimer(set_timer: Callable[..., Any], scale: float) -> Callable[..., Any]:
    return lambda which, seconds, interval=0.0: set_timer(which, seconds / scale, interval / scale)


def _timed(wait: Callable[..., Any], scale: float) -> Callable[..., Any]:
    @functools.wraps(wait)
    def faster(self: Any, timeout: float | None = None) -> Any:
        return wait(self, None if timeout is None else timeout / scale)

    return faster


class _Poller:
    """``select.epoll`` or ``select.poll`` whose timeouts, end sooner; these C classes cannot be subclassed."""

    def __init__(self, kind: Callable[..., Any], scale: float, *args: Any, **options: Any) -> None:
        self._poller = kind(*args, **options)
        self._scale = scale

    def poll(self, timeout: float | None = None, *most: int) -> Any:
        faster = timeout if timeout is None or timeout < 0 else timeout / self._scale
        return self._poller.poll(faster, *most)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)
