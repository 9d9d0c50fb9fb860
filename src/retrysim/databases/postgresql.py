"""PostgreSQL's sessions: psycopg 3 waits in Python already, and psycopg2 does where it has a wait callback.

With a callback psycopg2 refuses large objects. Both are asked by ``pg_blocking_pids``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Hashable
from types import ModuleType
from typing import Any

from retrysim.databases.locks import LATE, DatabaseSession, Locks
from retrysim.undo import UndoStack

_Query = Generator[Any, Any, Any]
#: libpq's ``PGTransactionStatusType``: no transaction.
_IDLE = 0


class _Sessions:
    """The session of each connection of one driver; ``connect`` opens a further one to the same server."""

    def __init__(self, locks: Locks, connect: Callable[..., Any]) -> None:
        self._locks = locks
        self._connect = connect

    def of(self, connection: Any) -> DatabaseSession:
        # What asks later must not keep the connection: a pool counts on its end.
        info, pid = connection.info, int(connection.info.backend_pid)
        given = {**_parameters(info), "password": info.password}
        at = weakref.ref(connection)

        def ask(query: str) -> Any:
            asking = self._connect(**given)
            try:
                asking.autocommit = True
                cursor = asking.cursor()
                cursor.execute(query, [pid])
                return cursor.fetchone()[0]
            finally:
                asking.close()

        server = (info.host, info.port)
        return DatabaseSession(
            key=(*server, pid),
            server="PostgreSQL",
            held_up_by=lambda: [(*server, int(holder)) for holder in ask("SELECT pg_blocking_pids(%s)")],
            in_transaction=lambda: self._locks.was_opened(at()) and _is_in_transaction(at()),
            end=lambda: ask("SELECT pg_terminate_backend(%s)"),
        )


def _parameters(info: Any) -> dict[str, Any]:
    return dict(info.dsn_parameters if hasattr(info, "dsn_parameters") else info.get_parameters())


def _is_in_transaction(connection: Any) -> bool:
    return connection is not None and not connection.closed and int(connection.info.transaction_status) != _IDLE


def _key(connection: Any) -> Hashable:
    info = connection.info
    return (info.host, info.port, int(info.backend_pid))


def put_into_psycopg(undo: UndoStack, locks: Locks, module: ModuleType) -> None:
    """Into the module ``psycopg.connection``."""
    kind: Any = module.Connection
    beginning, really, closing = kind.__init__, kind.wait, kind.close
    sessions = _Sessions(locks, kind.connect)

    def begin(connection: Any, *args: Any, **options: Any) -> None:
        beginning(connection, *args, **options)
        locks.opens(connection)

    def wait(connection: Any, gen: _Query, *args: Any, **options: Any) -> Any:
        if not locks.may_wait:
            return really(connection, gen, *args, **options)
        session = sessions.of(connection)
        locks.begins(session)
        try:
            return really(connection, _patient(gen, locks, session), LATE, **_without_interval(options))
        finally:
            locks.ended(session)

    def close(connection: Any) -> None:
        key = None if connection.closed else _key(connection)
        closing(connection)
        locks.gone(key)

    undo.set_attribute(kind, "__init__", begin)
    undo.set_attribute(kind, "wait", wait)
    undo.set_attribute(kind, "close", close)


def _without_interval(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "interval"}


def _patient(gen: _Query, locks: Locks, session: DatabaseSession) -> _Query:
    """The same generator; whenever nothing has come for a while, somebody else may go on."""
    ready = None
    while True:
        try:
            wanted = next(gen) if ready is None else gen.send(ready)
        except StopIteration as end:
            return end.value
        ready = yield wanted
        while not ready:
            locks.let_the_holder_go_on(session)
            ready = yield wanted


def put_into_psycopg2(undo: UndoStack, locks: Locks, module: ModuleType) -> None:
    """Into the module ``psycopg2``."""
    from psycopg2 import extensions

    really = module._connect
    sessions = _Sessions(locks, module.connect)
    copying = _copying_cursor(extensions)

    def connect(*args: Any, **options: Any) -> Any:
        connection = really(*args, **options)
        locks.opens(connection)
        if connection.cursor_factory is None:
            connection.cursor_factory = copying
        return connection

    def wait(connection: Any) -> None:
        session = sessions.of(connection) if connection.status != extensions.STATUS_SETUP and locks.may_wait else None
        if session is not None:
            locks.begins(session)
        while (state := connection.poll()) != extensions.POLL_OK:
            locks.wait_for(session, connection.fileno(), to_write=state == extensions.POLL_WRITE)
        if session is not None:
            locks.ended(session)

    undo.set_attribute(module, "_connect", connect)
    undo.callback(extensions.set_wait_callback, extensions.get_wait_callback())
    extensions.set_wait_callback(wait)


def _copying_cursor(extensions: Any) -> type:
    """A cursor whose ``COPY`` is as without a callback, with which psycopg2 refuses it."""

    def without_callback(name: str) -> Callable[..., Any]:
        real = getattr(extensions.cursor, name)

        def copy(cursor: Any, *args: Any, **options: Any) -> Any:
            callback = extensions.get_wait_callback()
            extensions.set_wait_callback(None)
            try:
                return real(cursor, *args, **options)
            finally:
                extensions.set_wait_callback(callback)

        return copy

    names = ("copy_expert", "copy_from", "copy_to")
    return type("cursor", (extensions.cursor,), {name: without_callback(name) for name in names})
