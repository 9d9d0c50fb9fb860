"""Stands in for ``kombu.asynchronous.Hub`` where that meets threads: loop, readers, writers and timers are kombu's own.

kombu wakes its poller for calls from other OS threads only, through a pair of sockets. Here everything runs in one
thread: pool processes are greenlets, so a call from one of them has to end the wait, too. What waits to be called is a
set, which Python iterates by address: here it has an order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kombu.asynchronous import Hub as KombuHub

from retrysim.celery.hub.poller import HubPoller
from retrysim.celery.hub.timer import HubTimer
from retrysim.ordered import OrderedSet

#: The file number of what a prefork worker's hub always watches: the pipes from its pool.
_POOL_FD = -1
#: Packages whose callbacks of a round do nothing if there is nothing to do.
_CHANGE_NOTHING_THEMSELVES = ("celery", "kombu")


class Hub(KombuHub):  # type: ignore[misc]
    """The event loop of one worker. ``make_poller(has_work)`` makes what it waits on."""

    def __init__(self, timer: HubTimer, make_poller: Callable[[HubTimer, Callable[[], bool]], HubPoller]) -> None:
        self._make_poller = make_poller
        super().__init__(timer)
        self.on_tick: OrderedSet[Any] = OrderedSet()
        self.on_close: OrderedSet[Any] = OrderedSet()
        self.consolidate: OrderedSet[int] = OrderedSet()
        timer.on_enter = self.wake

    @property
    def _ready(self) -> OrderedSet[Any]:
        """What is to be called in the next round. kombu puts a new set in its place when it takes it."""
        return self._todo

    @_ready.setter
    def _ready(self, _empty: object) -> None:
        self._todo = _Todo(self.wake)

    def _create_poller(self) -> None:
        self._poller = self._make_poller(self.timer, lambda: bool(self._todo))
        self._poller.goes_by_what_it_sees = self._goes_by_what_it_sees
        self._register_fd = self._poller.register
        self._unregister_fd = self._poller.unregister
        self.readers[_POOL_FD] = (_nothing, ())

    def _goes_by_what_it_sees(self) -> bool:
        """Whether a round does what the last one did, if nothing has changed: a callback of the app may count them."""
        return all(str(tick.__module__).partition(".")[0] in _CHANGE_NOTHING_THEMSELVES for tick in self.on_tick)

    def _create_waker(self) -> _Waker:
        self._waker = _Waker()
        return self._waker

    def wake(self) -> None:
        """Let the loop go round once more."""
        poller = getattr(self, "_poller", None)
        if poller is not None:
            poller.wake()


class _Todo(OrderedSet[Any]):
    """Callbacks for the next round; adding one ends the wait."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def add(self, item: Any) -> None:
        super().add(item)
        self._wake()


class _Waker:
    """kombu 5.7's pair of sockets, by which other threads wake the loop: ``_Todo`` has done it already."""

    def __init__(self) -> None:
        self.pid = os.getpid()

    def fileno(self) -> int:
        return -2

    def wake(self) -> None: ...

    def drain(self) -> None: ...

    def close(self) -> None: ...


def _nothing() -> None: ...
