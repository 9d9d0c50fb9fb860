"""Waits for PostgreSQL's locks, in virtual time: a task that another one holds up lets that one go on.

A query is waited for as long as it really takes, and costs no virtual time. But a row that another simulated task has
locked will not be free before that task goes on. So when an answer is late, PostgreSQL is asked who blocks it
(``pg_blocking_pids``); if that is a connection of this simulation, its next end of a transaction is waited for.

This needs psycopg 3, whose waits can be replaced. psycopg2 waits below Python.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any

from retrysim.kernel import Condition, Environment
from retrysim.undo import UndoStack

#: How long an answer is waited for before PostgreSQL is asked why it does not come, in real seconds.
_LATE = 0.05
_Connections = Callable[[], Iterable[Any]]
_Query = Generator[Any, Any, Any]
_RELEASED = "a lock in PostgreSQL, whose holder waits, too"


def virtual_lock_waits(undo: UndoStack, environment: Environment, connections: _Connections) -> None:
    """For the connections of simulated processes, until ``undo`` is unwound."""
    waiting = sys.modules.get("psycopg.waiting")
    if waiting is None:
        return
    from django.db.backends.base.base import BaseDatabaseWrapper

    locks = _Locks(environment, connections, waiting.wait)
    undo.set_attribute(waiting, "wait", locks.wait)
    for name in ("_commit", "_rollback", "_close", "_savepoint_rollback"):
        undo.set_attribute(BaseDatabaseWrapper, name, locks.releasing(getattr(BaseDatabaseWrapper, name)))


class _Locks:
    """Who waits for whom: asked of PostgreSQL, by a connection of its own."""

    def __init__(self, environment: Environment, connections: _Connections, really: Callable[..., Any]) -> None:
        self._environment = environment
        self._connections = connections
        self._really = really
        self._released = Condition(_RELEASED)
        self._asking = False

    def releasing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """``real``, after which locks may be free."""

        def release(wrapper: Any, *args: Any) -> Any:
            try:
                return real(wrapper, *args)
            finally:
                self._released.notify_all()

        return release

    def wait(self, gen: _Query, fileno: int, interval: float = 0, timeout: float | None = None) -> Any:
        """``psycopg.waiting.wait``: drive the generator of a query to its end, and return that."""
        environment = self._environment
        if self._asking or not environment.owns_thread or environment.current is None:
            return self._really(gen, fileno, interval, timeout)
        return self._really(self._patient(gen, fileno), fileno, _LATE, timeout)

    def _patient(self, gen: _Query, fileno: int) -> _Query:
        """The same generator; whenever nothing has come for a while, somebody else may go on."""
        ready = None
        while True:
            try:
                wanted = next(gen) if ready is None else gen.send(ready)
            except StopIteration as end:
                return end.value
            ready = yield wanted
            while not ready:
                if self._is_held_up(fileno):
                    self._environment.wait(self._released)
                ready = yield wanted

    def _is_held_up(self, fileno: int) -> bool:
        """Whether what this socket waits for is held by a connection of this simulation."""
        ours = [wrapper for wrapper in self._connections() if _is_open(wrapper)]
        late = next((wrapper for wrapper in ours if wrapper.connection.fileno() == fileno), None)
        if late is None:
            return False
        blocking = self._ask(late)
        return any(wrapper.connection.info.backend_pid in blocking for wrapper in ours if wrapper is not late)

    def _ask(self, late: Any) -> list[int]:
        self._asking = True
        try:
            asking = late.copy()
            try:
                with asking.cursor() as cursor:
                    cursor.execute("SELECT pg_blocking_pids(%s)", [late.connection.info.backend_pid])
                    return list(cursor.fetchone()[0])
            finally:
                asking.close()
        finally:
            self._asking = False


def _is_open(wrapper: Any) -> bool:
    connection = wrapper.connection
    return wrapper.vendor == "postgresql" and connection is not None and not connection.closed
