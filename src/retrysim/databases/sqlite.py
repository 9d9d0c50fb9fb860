"""SQLite's busy timeout, in virtual time: a task that meets another's lock lets that one go on, and tries again.

SQLite itself would sleep below Python, and the task that holds the lock would stay where it is. Django's databases in
memory (a shared cache) really have no such timeout: there a lock would be an error at once. They get it here, as
they stand in for a database that has one.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from retrysim.clock import grid_ns
from retrysim.databases.one_transaction import is_in_test
from retrysim.durations import MILLISECOND
from retrysim.kernel import Environment
from retrysim.undo import UndoStack

#: How long ``sqliteDefaultBusyCallback`` (SQLite's main.c) sleeps between its tries, in milliseconds; then 100 each.
_DELAYS_MS = (1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100)
#: What ``sqlite3.connect`` has unless told: seconds.
TIMEOUT = 5.0
_LOCKED_SHAREDCACHE = sqlite3.SQLITE_LOCKED | 1 << 8
_NO_QUERY = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


class State:
    """What is known of a connection's transaction: whether it has read, and holds what it read."""

    __slots__ = ("has_read",)

    def __init__(self) -> None:
        self.has_read = False

    def before(self, connection: Any) -> None:
        """A query begins."""
        self.has_read = self.has_read and connection.in_transaction

    def after(self, connection: Any, query: Any) -> None:
        """A query has ended."""
        reads = self.has_read or not str(query).lstrip().upper().startswith(_NO_QUERY)
        self.has_read = connection.in_transaction and reads


def virtual_busy_timeouts(undo: UndoStack, environment: Environment, note: Callable[[str], None]) -> None:
    """For the connections that simulated processes open, until ``undo`` is unwound.

    A process of the machine that writes into its copy of a database is noted: nobody else sees what it wrote.
    """
    if "django.db.backends.sqlite3.base" not in sys.modules:
        return
    from django.db.backends.sqlite3 import base

    wrapper: Any = base.DatabaseWrapper
    cursor: Any = base.SQLiteCursorWrapper
    undo.set_attribute(wrapper, "get_new_connection", _get_new_connection(wrapper.get_new_connection, environment))
    undo.set_attribute(wrapper, "create_cursor", _create_cursor(wrapper.create_cursor, environment))
    undo.set_attribute(wrapper, "_commit", _commit(wrapper._commit, environment))
    for name in ("execute", "executemany"):
        undo.set_attribute(cursor, name, _execute(getattr(cursor, name), environment, note))


def _get_new_connection(real: Callable[..., Any], environment: Environment) -> Callable[..., Any]:
    def get_new_connection(wrapper: Any, conn_params: Any) -> Any:
        connection = real(wrapper, conn_params)
        if environment.owns_thread and not environment.context.is_main_thread:
            connection.execute("PRAGMA busy_timeout = 0")
        return connection

    return get_new_connection


def _create_cursor(real: Callable[..., Any], environment: Environment) -> Callable[..., Any]:
    def create_cursor(wrapper: Any, name: str | None = None) -> Any:
        cursor = real(wrapper, name)
        cursor.busy_timeout = _timeout_of(wrapper)
        cursor.state = vars(wrapper).setdefault("_retrysim_state", State())
        cursor.copy_of = wrapper.alias if environment.is_forked and _is_copied_by_a_fork(wrapper) else None
        return cursor

    return create_cursor


def _is_copied_by_a_fork(wrapper: Any) -> bool:
    """Whether it is in memory, or holds the transaction of the test, which no other connection sees."""
    return is_in_test(wrapper) or bool(wrapper.is_in_memory_db())


def _note_if_it_writes(query: Any, copy_of: str, note: Callable[[str], None]) -> None:
    if _WRITES.match(str(query)):
        note(
            f"an isolated pool process has a copy of the SQLite database {copy_of!r}, and a task wrote into it: "
            "neither the test nor another process sees that; use a file with transactional_db, or a server"
        )


def _execute(real: Callable[..., Any], environment: Environment, note: Callable[[str], None]) -> Callable[..., Any]:
    def execute(cursor: Any, query: Any, *args: Any) -> Any:
        if environment.current is None or not hasattr(cursor, "state"):
            return real(cursor, query, *args)
        if cursor.copy_of:
            _note_if_it_writes(query, cursor.copy_of, note)
        state = cursor.state
        state.before(cursor.connection)
        try:
            answer = real(cursor, query, *args)
        except sqlite3.OperationalError as error:
            if not may_wait(error, state):
                raise
            answer = try_again(environment, cursor.busy_timeout, lambda: real(cursor, query, *args), error)
        state.after(cursor.connection, query)
        return answer

    return execute


def _commit(real: Callable[..., Any], environment: Environment) -> Callable[..., Any]:
    def commit(wrapper: Any) -> Any:
        try:
            return real(wrapper)
        except Exception as error:  # Django's own, with SQLite's as its cause
            cause = error.__cause__
            if environment.current is None or not isinstance(cause, sqlite3.OperationalError) or not _is_busy(cause):
                raise
            return try_again(environment, _timeout_of(wrapper), lambda: real(wrapper), error)

    return commit


def _timeout_of(wrapper: Any) -> float:
    return float(wrapper.settings_dict["OPTIONS"].get("timeout", TIMEOUT))


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, _LOCKED_SHAREDCACHE)


def may_wait(error: sqlite3.OperationalError, state: State) -> bool:
    """SQLite asks no busy handler for a reader that wants to write: two of these would wait for each other."""
    would_wait_for_each_other = error.sqlite_errorcode == sqlite3.SQLITE_BUSY and state.has_read
    return _is_busy(error) and not would_wait_for_each_other


def try_again(environment: Environment, seconds: float, again: Callable[[], Any], error: Exception) -> Any:
    """Try again as SQLite's busy handler does, as long as it would; then raise what it said."""
    give_up_ns = environment.clock.ns + grid_ns(seconds)
    tries = 0
    while (left_ns := give_up_ns - environment.clock.ns) > 0:
        delay_ns = _DELAYS_MS[min(tries, len(_DELAYS_MS) - 1)] * MILLISECOND
        environment.sleep(min(delay_ns, left_ns))
        tries += 1
        try:
            return again()
        except Exception as still:
            cause = still if isinstance(still, sqlite3.OperationalError) else still.__cause__
            if not isinstance(cause, sqlite3.OperationalError) or not _is_busy(cause):
                raise
    raise error
