"""The connections that simulated processes open: one for each thread and database, as Django has it.

When a process is killed, its server sees the connections end: their transactions are rolled back and their locks
released. A greenlet that never runs again would keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from retrysim.kernel import Condition, Environment, Process, Thread
from retrysim.undo import UndoStack


class OwnConnections:
    """Django's wrappers, by the thread that asked for them."""

    def __init__(self, environment: Environment, ended: Condition) -> None:
        self._environment = environment
        self._ended = ended
        self._wrappers: dict[Thread, list[Any]] = {}

    def connect(self, undo: UndoStack) -> None:
        """Note every connection from here on; all of them end when ``undo`` is unwound."""
        from django.db import connections

        handler = type(connections)
        undo.set_attribute(handler, "create_connection", self._noting(handler.create_connection))
        undo.set_attribute(self._environment, "abandon", self._ending(self._environment.abandon))
        undo.then(self._end_all)

    def __iter__(self) -> Iterator[Any]:
        for wrappers in self._wrappers.values():
            yield from wrappers

    def _noting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        environment = self._environment

        def create_connection(handler: Any, alias: str) -> Any:
            wrapper = real(handler, alias)
            if environment.owns_thread and not environment.standpoint.is_main_thread:
                self._wrappers.setdefault(environment.standpoint.thread, []).append(wrapper)
            return wrapper

        return create_connection

    def _ending(self, real: Callable[[Process], None]) -> Callable[[Process], None]:
        def abandon(process: Process) -> None:
            real(process)
            _end(self._wrappers.pop(process.thread, []))
            self._ended.notify_all()

        return abandon

    def _end_all(self) -> None:
        for wrappers in self._wrappers.values():
            _end(wrappers)


def _end(wrappers: list[Any]) -> None:
    """Close what the driver has open, past Django: its bookkeeping is that of the process that is gone."""
    for wrapper in wrappers:
        if wrapper.connection is not None:
            with suppress(Exception):  # closed already, or broken: it is over in any case
                wrapper.connection.close()
