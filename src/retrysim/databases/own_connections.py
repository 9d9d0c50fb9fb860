"""The connections that simulated processes open: one for each thread and database, as Django has it.

When a process is killed, its server sees the connections end: their transactions are rolled back and their locks
released. A greenlet that never runs again would keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from retrysim.kernel import Environment, Process, Thread
from retrysim.undo import UndoStack


class OwnConnections:
    """Django's wrappers, by the thread that asked for them."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._wrappers: dict[Thread, list[Any]] = {}

    def connect(self, undo: UndoStack) -> None:
        """Note every connection from here on; all of them end when ``undo`` is unwound."""
        from django.db import connections
        from django.db.backends.base.base import BaseDatabaseWrapper

        handler = type(connections)
        # Each simulated thread has wrappers of its own anyhow. Django's check would refuse the one of the test's
        # transaction, which all of them share, and what was opened before the threads had numbers of their own.
        undo.set_attribute(BaseDatabaseWrapper, "validate_thread_sharing", lambda _wrapper: None)
        undo.set_attribute(handler, "create_connection", self._noting(handler.create_connection))
        self._environment.listeners.add(undo, killed=self._end_those_of)
        undo.then(self._end_all)

    def _noting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        environment = self._environment

        def create_connection(handler: Any, alias: str) -> Any:
            wrapper = real(handler, alias)
            if environment.owns_thread and not environment.context.is_main_thread:
                self._wrappers.setdefault(environment.context.thread, []).append(wrapper)
            return wrapper

        return create_connection

    def _end_those_of(self, process: Process) -> None:
        _end(self._wrappers.pop(process.thread, []))

    def _end_all(self) -> None:
        for wrappers in self._wrappers.values():
            _end(wrappers)


def _end(wrappers: list[Any]) -> None:
    """Close what the driver has open, past Django: its bookkeeping is that of the process that is gone."""
    for wrapper in wrappers:
        if wrapper.connection is not None:
            with suppress(Exception):  # closed already, or broken: it is over in any case
                wrapper.connection.close()
