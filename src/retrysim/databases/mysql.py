"""MySQL's and MariaDB's sessions, through pymysql and mysqlclient; who holds one up is asked of InnoDB."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from types import ModuleType
from typing import Any

from retrysim.databases.locks import DatabaseSession, Locks
from retrysim.undo import UndoStack

#: Who blocks a session: MySQL 8 has it in ``sys``, MariaDB and MySQL 5.7 in ``information_schema``.
_HOLDERS = (
    "SELECT b.trx_mysql_thread_id FROM information_schema.innodb_lock_waits w "
    "JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id "
    "JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id WHERE r.trx_mysql_thread_id = {}",
    "SELECT blocking_pid FROM sys.innodb_lock_waits WHERE waiting_pid = {}",
)
#: Locks of tables, of metadata and of names have no such list: then it may be anybody.
_STATE = "SELECT state FROM information_schema.processlist WHERE id = {}"
_EVERYBODY = "SELECT id FROM information_schema.processlist WHERE id <> {} AND id <> CONNECTION_ID()"
_WAITS = ("Waiting for", "User lock")
#: The flag SERVER_STATUS_IN_TRANS of MySQL's protocol.
_IN_TRANSACTION = 1
_COPIED = (
    "host", "port", "user", "password", "unix_socket", "ssl", "ctx", "_ssl_required", "server_public_key",
)  # fmt: skip
#: InnoDB renews what it tells of locks when nobody has asked for 0.1 s (CACHE_MIN_IDLE_TIME_NS in trx0i_s.cc).
_LATE = 0.15
_KEPT = "_retrysim_arguments"


def _session(
    locks: Locks, connection: Any, open_another: Callable[[], Any], in_transaction: Callable[[Any], bool]
) -> DatabaseSession:
    pid = int(connection.thread_id())
    at = weakref.ref(connection)

    def ask(*queries: str) -> list[Any]:
        asking = open_another()
        try:
            return _first_answer(asking, [query.format(pid) for query in queries])
        finally:
            asking.close()

    def holders() -> list[Hashable]:
        found = ask(*_HOLDERS)
        if not found and any(str(state).startswith(_WAITS) for (state,) in ask(_STATE)):
            found = ask(_EVERYBODY)
        return [("MySQL", int(pid)) for (pid,) in found]

    return DatabaseSession(
        key=("MySQL", pid),
        late=_LATE,
        server="MySQL",
        held_up_by=holders,
        in_transaction=lambda: locks.was_opened(there := at()) and in_transaction(there),
        end=lambda: ask("KILL {}"),
    )


def _first_answer(asking: Any, queries: list[str]) -> list[Any]:
    """Of the first query whose tables this server has."""
    cursor = asking.cursor()
    for query in queries[:-1]:
        try:
            cursor.execute(query)
            return list(cursor.fetchall())
        except Exception:
            continue
    cursor.execute(queries[-1])
    return list(cursor.fetchall())


def put_into_pymysql(undo: UndoStack, locks: Locks, module: ModuleType) -> None:
    """Into the module ``pymysql.connections``, whose connections read their answers from a socket."""
    kind: Any = module.Connection
    reading, closing, connecting = kind._read_query_result, kind._force_close, kind.connect

    def connect(connection: Any, *args: Any, **options: Any) -> None:
        connecting(connection, *args, **options)
        locks.opens(connection)

    def read(connection: Any, unbuffered: bool = False) -> Any:
        if not locks.may_wait or not connection.open or not hasattr(connection, "server_thread_id"):
            return reading(connection, unbuffered)
        session = _session(locks, connection, lambda: _another(connection), _in_transaction)
        locks.begins(session)
        try:
            if not _has_read_ahead(connection):
                locks.wait_for(session, connection._sock.fileno())
            return reading(connection, unbuffered)
        finally:
            locks.ended(session)

    def close(connection: Any) -> None:
        thread = getattr(connection, "server_thread_id", None)
        closing(connection)
        locks.gone(("MySQL", thread and thread[0]))

    undo.set_attribute(kind, "connect", connect)
    undo.set_attribute(kind, "_read_query_result", read)
    undo.set_attribute(kind, "_force_close", close)
    _notice_ends(undo, locks, kind)


def _in_transaction(connection: Any) -> bool:
    """Also of one that died in the middle of a query, of which nothing is known."""
    return bool(connection.open and (connection.server_status & _IN_TRANSACTION or connection._result is None))


def _notice_ends(undo: UndoStack, locks: Locks, kind: Any) -> None:
    """Commits and rollbacks are no queries to these drivers."""

    def noticing(real: Callable[[Any], None]) -> Callable[[Any], None]:
        def end(connection: Any) -> None:
            real(connection)
            locks.gone(("MySQL", int(connection.thread_id())))

        return end

    for name in ("commit", "rollback"):
        undo.set_attribute(kind, name, noticing(getattr(kind, name)))


def _has_read_ahead(connection: Any) -> bool:
    """Whether an answer of several is there already."""
    pending = getattr(connection._sock, "pending", None)
    return bool(connection._result is not None and connection._result.has_next) or bool(
        pending is not None and pending()
    )


def _another(connection: Any) -> Any:
    asking = type(connection)(defer_connect=True)
    for name in _COPIED:
        if hasattr(connection, name):
            setattr(asking, name, getattr(connection, name))
    if isinstance(asking.user, bytes):
        asking.user = asking.user.decode(connection.encoding)
    asking.connect()
    return asking


def put_into_mysqlclient(undo: UndoStack, locks: Locks, module: ModuleType) -> None:
    """Into the module ``MySQLdb.connections``: C, which sends a query and reads its answer apart."""
    kind: Any = module.Connection
    beginning, asking, closing = kind.__init__, kind.query, kind.close

    def begin(connection: Any, *args: Any, **options: Any) -> None:
        vars(connection)[_KEPT] = (args, options)
        beginning(connection, *args, **options)
        locks.opens(connection)

    def query(connection: Any, text: Any) -> None:
        if not locks.may_wait or _KEPT not in vars(connection):
            asking(connection, text)
            return
        args, options = vars(connection)[_KEPT]
        session = _session(locks, connection, lambda: kind(*args, **options), lambda _connection: True)
        locks.begins(session)
        try:
            connection.send_query(bytes(text) if isinstance(text, bytearray) else text)
            locks.wait_for(session, connection.fileno())
            connection.read_query_result()
        finally:
            locks.ended(session)

    def close(connection: Any) -> None:
        key = ("MySQL", int(connection.thread_id()))
        closing(connection)
        locks.gone(key)

    undo.set_attribute(kind, "__init__", begin)
    undo.set_attribute(kind, "query", query)
    undo.set_attribute(kind, "close", close)
    _notice_ends(undo, locks, kind)
