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


def virtual_lock_waits(
    undo: UndoStack, environment: Environment, connections: _Connections, released: Condition
) -> None:
    """For the connections of simulated processes, until ``undo`` is unwound; ``released`` tells when locks end."""
    waiting = sys.modules.get("psycopg.waiting")
    if waiting is None:
        return
    from django.db.backends.base.base import BaseDatabaseWrapper

    locks = _Locks(environment, connections, waiting.wait, released)
    undo.set_attribute(waiting, "wait", locks.wait)
    for name in ("_commit", "_rollback", "_close", "_savepoint_rollback"):
        undo.set_attribute(BaseDatabaseWrapper, name, locks.releasing(getattr(BaseDatabaseWrapper, name)))


class _Locks:
    """Who waits for whom: asked of PostgreSQL, by a connection of its own."""

    def __init__(
        self, environment: Environment, connections: _Connections, really: Callable[..., Any], released: Condition
    ) -> None:
        self._environment = environment
        self._connections = connections
        self._really = really
        self._released = released
        self._asking = False
        #: who waits in virtual time, by process ids of the server: for whom
        self._held_up: dict[int, list[int]] = {}

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
                self._let_the_holder_go_on(fileno)
                ready = yield wanted

    def _let_the_holder_go_on(self, fileno: int) -> None:
        """Wait in virtual time if a connection of this simulation holds what this socket waits for.

        Those that wait for each other wait for PostgreSQL's ``deadlock_timeout``, in reality.
        """
        ours = {_pid(wrapper): wrapper for wrapper in self._connections() if _is_open(wrapper)}
        late = next((pid for pid, wrapper in ours.items() if wrapper.connection.fileno() == fileno), None)
        if late is None:
            return
        holders = [pid for pid in self._ask(ours[late]) if pid in ours]
        if not holders or late in self._all_behind(holders):
            return
        self._held_up[late] = holders
        try:
            self._environment.wait(self._released)
        finally:
            del self._held_up[late]

    def _all_behind(self, pids: list[int]) -> set[int]:
        """These, those for whom they wait, and so on."""
        found: set[int] = set()
        left = list(pids)
        while left:
            pid = left.pop()
            if pid not in found:
                found.add(pid)
                left += self._held_up.get(pid, [])
        return found

    def _ask(self, late: Any) -> list[int]:
        self._asking = True
        try:
            asking = late.copy()
            try:
                with asking.cursor() as cursor:
                    cursor.execute("SELECT pg_blocking_pids(%s)", [_pid(late)])
                    return list(cursor.fetchone()[0])
            finally:
                asking.close()
        finally:
            self._asking = False


def _pid(wrapper: Any) -> int:
    """The server's process behind a connection."""
    return int(wrapper.connection.info.backend_pid)


def _is_open(wrapper: Any) -> bool:
    connection = wrapper.connection
    return wrapper.vendor == "postgresql" and connection is not None and not connection.closed
