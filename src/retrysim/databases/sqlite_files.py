"""Connections of ``sqlite3`` whose busy timeout is virtual, for whoever opens one without Django: SQLAlchemy, too."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any

from retrysim.databases.sqlite import TIMEOUT, State, may_wait, try_again
from retrysim.kernel import Environment

_PRAGMA = re.compile(r"\s*PRAGMA\s+busy_timeout\s*(?:=\s*(\d+)|\(\s*(\d+)\s*\))", re.I)
#: What ``sqlite3.connect`` takes by position, after the database.
_PARAMETERS = (
    "timeout", "detect_types", "isolation_level", "check_same_thread", "factory", "cached_statements", "uri",
)  # fmt: skip
_ENDS, _QUERIES = ("commit", "rollback"), ("execute", "executemany", "executescript")


def opening(environment: Environment) -> Callable[..., Any]:
    """What stands in for ``sqlite3.connect`` in one simulation."""
    real = sqlite3.connect

    def connect(database: Any, *args: Any, **options: Any) -> Any:
        options.update(zip(_PARAMETERS, args, strict=False))
        if not _may_wait_here(environment):
            return real(database, **options)
        waits = _Waits(environment, float(options.get("timeout", TIMEOUT)))
        factory = _kind(options.get("factory") or sqlite3.Connection)
        connection: Any = real(database, **{**options, "timeout": 0, "factory": factory})
        connection.retrysim_waits = waits
        return connection

    return connect


def _may_wait_here(environment: Environment) -> bool:
    if environment.over or not environment.owns_thread:
        return False
    return environment.current is not None or environment.at_rest


class _Waits:
    """How one connection waits, and what is known of its transaction."""

    def __init__(self, environment: Environment, timeout: float) -> None:
        self._environment = environment
        self.timeout = timeout
        self.state = State()

    def take(self, query: Any) -> Any:
        """The query to be asked; a timeout that it sets is set here."""
        pragma = _PRAGMA.match(query) if isinstance(query, str) else None
        if pragma is None:
            return query
        self.timeout = int(pragma[1] or pragma[2]) / 1000
        return "PRAGMA busy_timeout = 0"

    def around(self, connection: Any, query: Any, real: Callable[[], Any]) -> Any:
        """``real()``, again and again while another connection keeps it out."""
        self.state.before(connection)
        try:
            answer = real()
        except sqlite3.OperationalError as error:
            # Databases in memory have no such timeout: their locks are errors at once.
            is_busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY and may_wait(error, self.state)
            if not (is_busy and _may_wait_here(self._environment)):
                raise
            answer = try_again(self._environment, self.timeout, real, error)
        self.state.after(connection, query)
        return answer


@cache
def _kind(base: type[sqlite3.Connection]) -> type[sqlite3.Connection]:
    """A subclass that waits, and whose cursors do."""

    class Connection(base):  # type: ignore[valid-type, misc]
        retrysim_waits: _Waits | None = None  # until it is open

        def cursor(self, factory: Any = None) -> Any:
            plain = factory is None or factory is sqlite3.Cursor
            return super().cursor(_Cursor if plain else factory)

    for name in _ENDS:
        setattr(Connection, name, _ending(getattr(base, name)))
    for name in _QUERIES:
        setattr(Connection, name, _by_cursor(name))
    for name in ("__name__", "__qualname__", "__module__"):
        setattr(Connection, name, getattr(base, name))
    return Connection


def _ending(real: Callable[[Any], None]) -> Callable[[Any], None]:
    def end(connection: Any) -> None:
        _around(connection, "", lambda _query: real(connection))

    return end


def _by_cursor(name: str) -> Callable[..., Any]:
    def query(connection: Any, *args: Any) -> Any:
        cursor = connection.cursor()
        getattr(cursor, name)(*args)
        return cursor

    return query


class _Cursor(sqlite3.Cursor):
    """A cursor that waits."""

    def execute(self, sql: str, *args: Any) -> Any:
        really = super().execute
        return _around(self.connection, sql, lambda query: really(query, *args))

    def executemany(self, sql: str, *args: Any) -> Any:
        really = super().executemany
        return _around(self.connection, sql, lambda query: really(query, *args))

    def executescript(self, sql_script: str) -> Any:
        return _around(self.connection, sql_script, super().executescript)


def _around(connection: Any, query: Any, real: Callable[[Any], Any]) -> Any:
    waits: _Waits | None = connection.retrysim_waits
    if waits is None:
        return real(query)
    asked = waits.take(query)
    return waits.around(connection, asked, lambda: real(asked))
