"""Database connections that the project's modules opened before the simulation, at whatever depth they hold them.

Their classes are mostly in C and cannot be patched, so each place that holds one gets a stand-in, which asks the
barrier whenever something is done with the connection. What an engine or Django holds is guarded where it is handed
out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from retrysim.outside.address import Address, file, server
from retrysim.outside.barrier import Barrier
from retrysim.outside.drivers import address_of_engine
from retrysim.outside.sqlite import IN_MEMORY
from retrysim.patches.own_places import own_places
from retrysim.patches.references import restore_references_of_new_modules
from retrysim.undo import UndoStack

#: What may be done with any connection: nothing is sent that could change a row.
_ALWAYS = frozenset({"close", "closed", "open"})
Find = Callable[[Any], Address]


def guard_connections_opened_before(undo: UndoStack, barrier: Barrier) -> None:
    """Let each use of such a connection be refused, unless its database is allowed, until ``undo`` is unwound."""
    finders = {kind: find for module, name, find in _KINDS if (kind := _loaded(module, name)) is not None}
    stand_ins: dict[int, _OpenedBefore] = {}
    for places in own_places().of_kinds(tuple(finders)).values():
        for place in places:
            held = place.value
            find = next(finders[base] for base in type(held).__mro__ if base in finders)
            address = _address_of(held, find)
            if address.is_outside and not barrier.lets_database_pass(address):
                stand_ins.setdefault(id(held), _OpenedBefore(held, barrier, address))
            if id(held) in stand_ins:
                place.put(undo, stand_ins[id(held)])
    if stand_ins:
        restore_references_of_new_modules(undo, {stand._real: stand for stand in stand_ins.values()})


def _loaded(module: str, name: str) -> type | None:
    return getattr(sys.modules.get(module), name, None)


def _address_of(held: Any, find: Find) -> Address:
    """Where it leads; nowhere, if it is closed."""
    try:
        return find(held)
    except Exception:  # each driver has an error of its own for that
        return IN_MEMORY


class _OpenedBefore:
    """Stands for a connection or a cursor: the real one does what is asked, once the barrier has let it pass."""

    __slots__ = ("__weakref__", "_address", "_barrier", "_real")

    def __init__(self, real: Any, barrier: Barrier, address: Address) -> None:
        self._real, self._barrier, self._address = real, barrier, address

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        if callable(value) and name not in _ALWAYS:
            self._check()
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OpenedBefore.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self._real, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._real)

    def __enter__(self) -> Any:
        self._check()
        return self._real.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self._real.__exit__(*error)

    def __iter__(self) -> Any:
        self._check()
        return iter(self._real)

    async def __aenter__(self) -> Any:
        self._check()
        return await self._real.__aenter__()

    async def __aexit__(self, *error: Any) -> Any:
        return await self._real.__aexit__(*error)

    def __repr__(self) -> str:
        return repr(self._real)

    def _check(self) -> None:
        self._barrier.database(self._address, does="uses")


def _file_of(connection: Any) -> Address:
    """Of SQLite: the file of its main database."""
    cursor = connection.cursor()
    cursor.row_factory = None
    path = next((path for _, name, path in cursor.execute("PRAGMA database_list") if name == "main"), "")
    return file("SQLite", path) if path else IN_MEMORY


def _by_info(connection: Any) -> Address:
    """Of psycopg 2 and 3."""
    info = connection.info
    return server("PostgreSQL", info.host, info.port, 5432, database=info.dbname)


def _by_attributes(kind: str, port: int | None, connection: Any) -> Address:
    """Of a driver that keeps what it was given; what it does not tell is taken for this machine's own server."""
    return server(kind, getattr(connection, "host", None), getattr(connection, "port", None), port)


def _of_engine(connection: Any) -> Address:
    """Of a connection of SQLAlchemy."""
    return address_of_engine(connection.engine)


def _of_session(session: Any) -> Address:
    """Of a session of SQLAlchemy, whose transaction holds a connection."""
    return address_of_engine(session.get_bind().engine) if session.in_transaction() else IN_MEMORY


def _of_cursor(find: Find) -> Find:
    return lambda cursor: find(cursor.connection)


_MYSQL = partial(_by_attributes, "MySQL", 3306)
_POSTGRES = partial(_by_attributes, "PostgreSQL", 5432)
_KINDS: tuple[tuple[str, str, Find], ...] = (
    ("sqlalchemy.engine.base", "Connection", _of_engine),
    ("sqlalchemy.orm.session", "Session", _of_session),
    ("sqlite3", "Connection", _file_of),
    ("sqlite3", "Cursor", _of_cursor(_file_of)),
    ("psycopg", "Connection", _by_info),
    ("psycopg", "Cursor", _of_cursor(_by_info)),
    ("psycopg", "AsyncConnection", _by_info),
    ("psycopg", "AsyncCursor", _of_cursor(_by_info)),
    ("psycopg2.extensions", "connection", _by_info),
    ("psycopg2.extensions", "cursor", _of_cursor(_by_info)),
    ("pg8000.core", "CoreConnection", _POSTGRES),
    ("asyncpg.connection", "Connection", _POSTGRES),
    ("pymysql.connections", "Connection", _MYSQL),
    ("pymysql.cursors", "Cursor", _of_cursor(_MYSQL)),
    ("MySQLdb.connections", "Connection", _MYSQL),
    ("MySQLdb.cursors", "BaseCursor", _of_cursor(_MYSQL)),
    ("mysql.connector.abstracts", "MySQLConnectionAbstract", _MYSQL),
    ("aiomysql.connection", "Connection", _MYSQL),
    ("mariadb.connections", "Connection", partial(_by_attributes, "MariaDB", 3306)),
    ("pyodbc", "Connection", partial(_by_attributes, "ODBC", None)),
    ("pymssql", "Connection", partial(_by_attributes, "SQL Server", 1433)),
    ("oracledb.connection", "Connection", partial(_by_attributes, "Oracle", 1521)),
)
