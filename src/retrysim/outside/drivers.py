"""The drivers of database servers, and the one function of each that opens a connection.

Those in C (libpq, MySQL's client) connect by no socket of Python's. For the others this refuses before a name is looked
up, and outside of tasks, too, where sockets are left unchanged.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from itertools import groupby
from operator import itemgetter
from types import ModuleType
from typing import Any

from retrysim.outside.address import Address, from_url, server
from retrysim.outside.barrier import Barrier
from retrysim.outside.sqlite import address_of
from retrysim.undo import UndoStack

Arguments = tuple[Any, ...]
Options = Mapping[str, Any]
#: The address from the arguments of the function that connects.
Find = Callable[[Arguments, Options], Address]

_DSN = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)")

#: ``(ADDRESS=(PROTOCOL=TCP)(HOST=db)(PORT=1521))``
_ORACLE_NET = re.compile(r"\(\s*(host|port)\s*=\s*([^)\s]+)", re.IGNORECASE)


def _libpq(args: Arguments, options: Options) -> Address:
    """``host=db port=5432``, a URL, or both as keywords."""
    dsn: Any = next(iter(args), None) or options.get("dsn") or options.get("conninfo") or ""
    text = dsn.decode() if isinstance(dsn, bytes) else str(dsn)
    if "://" in text:
        _, at, number, path = from_url(text)
        return server("PostgreSQL", at, number, database=options.get("dbname") or path.strip("/"))
    found = {key: value.strip("'") for key, value in _DSN.findall(text)} | dict(options)
    host = found.get("host") or found.get("hostaddr") or os.environ.get("PGHOST")
    port = found.get("port") or os.environ.get("PGPORT")
    return server("PostgreSQL", host, port, 5432, database=found.get("dbname") or found.get("database"))


def _libpq_of_a_method(args: Arguments, options: Options) -> Address:
    return _libpq(args[1:], options)


def _asyncpg(_args: Arguments, options: Options) -> Address:
    host, port = options["addr"] if isinstance(options["addr"], tuple) else (options["addr"], None)
    return server("PostgreSQL", host, port, 5432)


def _named(kind: str, port: int | None, args: Arguments, options: Options) -> Address:
    """``connect(host, ..., port=...)`` and ``connect(server=...)``, or a text of which no more is known."""
    host = options.get("host") or options.get("server") or (args[0] if args else None)
    return server(kind, host, options.get("port"), port)


def _second(kind: str, port: int | None, args: Arguments, options: Options) -> Address:
    """The same for a method: its first argument is the connection itself."""
    return _named(kind, port, args[1:], options)


def _oracle(args: Arguments, options: Options) -> Address:
    """``connect(dsn)``, ``connect(host=..., port=...)``, or from a pool, which has its DSN."""
    pool = options.get("pool")
    dsn = next(iter(args), None) or options.get("dsn") or (None if pool is None else pool.dsn) or ""
    found = {name.lower(): value for name, value in _ORACLE_NET.findall(str(dsn))} or _easy_connect(str(dsn))
    return server("Oracle", options.get("host") or found.get("host"), options.get("port") or found.get("port"), 1521)


def _oracle_of_a_method(args: Arguments, options: Options) -> Address:
    return _oracle(args[1:], options)


def _oracle_at(index: int, args: Arguments, options: Options) -> Address:
    """cx_Oracle's: the DSN comes after the user and the password."""
    return _oracle(args[index : index + 1], options)


def _easy_connect(dsn: str) -> dict[str, str]:
    """``tcps://db:1522/service``, with or without user and password."""
    at = dsn.rpartition("@")[2].rpartition("//")[2].partition("/")[0]
    host, _, port = at.partition(":")
    return {"host": host, "port": port}


def _pg8000(args: Arguments, options: Options) -> Address:
    host = options.get("host") or (args[2] if len(args) > 2 else None)
    return server("PostgreSQL", host, options.get("port") or (args[4] if len(args) > 4 else None), 5432)


def _own(kind: str, port: int, args: Arguments, _options: Options) -> Address:
    """Of a connection that knows where it leads."""
    own = vars(args[0])
    host = own.get("host") or own.get("_host")
    return server(kind, host, own.get("port") or own.get("_port"), port)


def _engine(args: Arguments, _options: Options) -> Address:
    """Its pool may hold connections that were opened before."""
    return address_of_engine(args[0])


def address_of_engine(engine: Any) -> Address:
    """Where an engine of SQLAlchemy leads."""
    url = engine.url
    kind = url.get_backend_name()
    if kind == "sqlite":
        return address_of(url.database or ":memory:")
    return server(_SQLALCHEMY.get(kind, kind), url.host, url.port, _PORTS.get(kind))


_SQLALCHEMY = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}

#: Module, function or Class.function, and what finds the address.
_CONNECTING: tuple[tuple[str, str, Find], ...] = (
    ("psycopg.generators", "connect", _libpq),
    ("psycopg.pq", "PGconn.connect", _libpq),
    ("psycopg.pq", "PGconn.connect_start", _libpq),
    ("psycopg2", "_connect", _libpq),
    ("psycopg2.extensions", "connection.__init__", _libpq_of_a_method),
    ("asyncpg.connect_utils", "_connect_addr", _asyncpg),
    ("pg8000.core", "CoreConnection.__init__", _pg8000),
    ("pymysql.connections", "Connection.connect", partial(_own, "MySQL", 3306)),
    ("aiomysql.connection", "Connection._connect", partial(_own, "MySQL", 3306)),
    ("asyncmy.connection", "Connection.connect", partial(_own, "MySQL", 3306)),
    ("MySQLdb.connections", "Connection.__init__", partial(_second, "MySQL", 3306)),
    ("MySQLdb._mysql", "connect", partial(_named, "MySQL", 3306)),
    ("MySQLdb._mysql", "connection.__init__", partial(_second, "MySQL", 3306)),
    ("mysql.connector.connection", "MySQLConnection._open_connection", partial(_own, "MySQL", 3306)),
    ("mysql.connector.connection_cext", "CMySQLConnection._open_connection", partial(_own, "MySQL", 3306)),
    ("mariadb", "connect", partial(_named, "MariaDB", 3306)),
    ("mariadb.connections", "Connection.__init__", partial(_second, "MariaDB", 3306)),
    ("mariadb._mariadb", "connection.__init__", partial(_second, "MariaDB", 3306)),
    ("pyodbc", "connect", partial(_named, "ODBC", None)),  # its class cannot be called
    ("pymssql", "connect", partial(_named, "SQL Server", 1433)),
    ("pymssql._mssql", "connect", partial(_named, "SQL Server", 1433)),
    ("pymssql._mssql", "MSSQLConnection.__init__", partial(_second, "SQL Server", 1433)),
    ("pymssql._pymssql", "connect", partial(_named, "SQL Server", 1433)),
    ("oracledb", "connect", _oracle),
    ("oracledb", "connect_async", _oracle),
    ("oracledb.connection", "Connection.__init__", _oracle_of_a_method),
    ("oracledb.connection", "AsyncConnection.__init__", _oracle_of_a_method),
    ("oracledb.pool", "ConnectionPool.__init__", _oracle_of_a_method),
    ("oracledb.pool", "AsyncConnectionPool.__init__", _oracle_of_a_method),
    ("cx_Oracle", "connect", partial(_oracle_at, 2)),
    ("cx_Oracle", "Connection.__init__", partial(_oracle_at, 3)),
    ("cx_Oracle", "SessionPool.__init__", partial(_oracle_at, 3)),
    ("sqlalchemy.engine.base", "Engine.raw_connection", _engine),
)


#: ``Py_TPFLAGS_IMMUTABLETYPE``: a class in C, whose attributes cannot be set.
_IMMUTABLE = 1 << 8


class _StandsFor(type):
    """The class of a subclass that stands for its base: what is the base's, is its own."""

    def __instancecheck__(cls, instance: Any) -> bool:
        real = vars(cls).get("stands_for")
        return super().__instancecheck__(instance) if real is None else isinstance(instance, real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = vars(cls).get("stands_for")
        return super().__subclasscheck__(subclass) if real is None else issubclass(subclass, real)


def _put_all(functions: Sequence[tuple[str, Find]], undo: UndoStack, barrier: Barrier, module: ModuleType) -> None:
    for name, find in functions:
        owner_name, _, function_name = name.rpartition(".")
        owner = getattr(module, owner_name, None) if owner_name else module
        if owner is None or not hasattr(owner, function_name):
            continue  # a release that has it elsewhere connects by a socket, or not at all
        owners = [owner]
        if isinstance(owner, type) and owner.__flags__ & _IMMUTABLE:
            heirs: list[type] = owner.__subclasses__()
            owners = [one for one in heirs if not one.__flags__ & _IMMUTABLE]
            names = {"stands_for": owner, "__module__": owner.__module__, "__slots__": ()}
            owners.append(_StandsFor(owner.__name__, (owner,), names))
            undo.set_attribute(module, owner_name, owners[-1])
        for one in owners:
            real = getattr(one, function_name)
            behind = _behind(barrier, real, find)
            is_of_the_class = isinstance(owner, type) and getattr(real, "__self__", None) is not None
            undo.set_attribute(one, function_name, staticmethod(behind) if is_of_the_class else behind)


def _behind(barrier: Barrier, real: Callable[..., Any], find: Find) -> Callable[..., Any]:
    def connect(*args: Any, **options: Any) -> Any:
        barrier.database(find(args, options))
        return real(*args, **options)

    async def connect_later(*args: Any, **options: Any) -> Any:
        barrier.database(find(args, options))
        return await real(*args, **options)

    behind = connect_later if inspect.iscoroutinefunction(real) else connect
    return wraps(real)(behind) if hasattr(real, "__name__") else behind


PLACES = {
    module: partial(_put_all, [(name, find) for _, name, find in functions])
    for module, functions in groupby(_CONNECTING, key=itemgetter(0))
}
