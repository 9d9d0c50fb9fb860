"""The drivers whose waits for locks are virtual, those that are imported later included."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from types import ModuleType

from retrysim.databases import mysql, postgresql
from retrysim.databases.locks import Locks
from retrysim.patches.import_watch import in_each_module
from retrysim.undo import UndoStack

#: For each module what is put into it, and a name without which a release of it is left as it is.
_PLACES: dict[str, tuple[Callable[[UndoStack, Locks, ModuleType], None], str]] = {
    "psycopg.connection": (postgresql.put_into_psycopg, "Connection.wait"),
    "psycopg2": (postgresql.put_into_psycopg2, "_connect"),
    "pymysql.connections": (mysql.put_into_pymysql, "Connection._read_query_result"),
    "MySQLdb.connections": (mysql.put_into_mysqlclient, "Connection.read_query_result"),
}


def virtual_lock_waits(undo: UndoStack, locks: Locks) -> None:
    """For what the processes of a simulation ask, until ``undo`` is unwound."""
    locks.connect(undo)

    def put(module: ModuleType) -> None:
        put_into, needed = _PLACES[module.__name__]
        try:
            attrgetter(needed)(module)
        except AttributeError:
            return
        put_into(undo, locks, module)

    in_each_module(undo, _PLACES, put)
