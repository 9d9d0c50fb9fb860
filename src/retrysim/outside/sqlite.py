"""SQLite's files. A database in memory is nobody's but the caller's, and passes."""

from __future__ import annotations

import os
import sqlite3
import sys
from functools import partial
from types import FrameType, ModuleType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from retrysim.outside.address import Address, file
from retrysim.outside.barrier import Barrier
from retrysim.patches.audit_events import guard_events
from retrysim.patches.loaded import unnoticed
from retrysim.patches.references import replace_references, restore_references_of_new_modules
from retrysim.undo import UndoStack

#: An address that leads nowhere outside.
IN_MEMORY = Address(kind="SQLite")


def address_of(database: Any) -> Address:
    """What ``sqlite3.connect`` is given: a path, or a URI with ``file:``."""
    text = os.fsdecode(database) if isinstance(database, str | bytes | os.PathLike) else str(database)
    if not text.startswith("file:"):
        return IN_MEMORY if text in ("", ":memory:") else file("SQLite", text)
    parts = urlsplit(text)
    path = unquote(parts.path)
    in_memory = path in ("", ":memory:") or parse_qs(parts.query).get("mode") == ["memory"]
    return IN_MEMORY if in_memory else file("SQLite", path)


def _put(undo: UndoStack, barrier: Barrier, _module: ModuleType) -> None:
    # The class connects without the function, and without a word to anybody but Python's audit hooks.
    guard_events(undo, {"sqlite3.connect": partial(_check, barrier)})
    stand_in = {sqlite3.connect: partial(_connect, barrier, sqlite3.connect)}
    with unnoticed(undo):
        replace_references(undo, stand_in)
        restore_references_of_new_modules(undo, stand_in)


def _connect(barrier: Barrier, real: Any, database: Any, *args: Any, **options: Any) -> Any:
    _check(barrier, database)
    connect = real if _is_shelf() else barrier.open_sqlite or real
    return connect(database, *args, **options)


def _check(barrier: Barrier, database: Any) -> None:
    if not _is_shelf():
        barrier.database(address_of(database))


def _is_shelf() -> bool:
    """Whether the caller is ``dbm``, whose files are SQLite's since Python 3.13: Celery keeps its state in one."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") != "dbm.sqlite3":
        frame = frame.f_back
    return frame is not None


PLACES = {"sqlite3.dbapi2": _put}
