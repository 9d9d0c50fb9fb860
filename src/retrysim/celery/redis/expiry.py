"""Lets a key of Redis be gone at the instant its time to live ends.

Redis keeps a key through the millisecond in which it expires, and fakeredis does as well. On a real server that never
shows: a task that comes back after exactly the time to live of its lock is on its way for longer than that. Here it
takes no time, so it would find the lock, again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from fakeredis._core import Database  # no public name; fakeredis >= 2.40
from fakeredis.commands_mixins.string_mixin import StringCommandsMixin
from fakeredis.model import _expiring_members_set, _hash

from retrysim.undo import UndoStack

#: Half a tick of the clock: instants are floats here, and the sum of two is not always the nearest float.
_HALF_TICK_S = 0.5e-6


def expire_when_due(undo: UndoStack) -> None:
    """Of every key, field and member in every fakeredis of this process, until ``undo`` is unwound; once is enough."""
    if Database.expired.__module__ == __name__:
        return
    remove_expired = Database._remove_expired

    def expired(database: Any, item: Any) -> bool:
        return item.expireat is not None and bool(item.expireat < database.time + _HALF_TICK_S)

    def remove(database: Any) -> None:
        exact = database.time
        database.time = exact + _HALF_TICK_S
        try:
            remove_expired(database)
        finally:
            database.time = exact

    undo.set_attribute(Database, "expired", expired)
    undo.set_attribute(Database, "_remove_expired", remove)
    for module in (_hash, _expiring_members_set):  # they compare whole milliseconds: what expires in this one is gone
        now_ms = module.current_time
        undo.set_attribute(module, "current_time", lambda now_ms=now_ms: now_ms() + 1)
    for name in ("setex", "getex"):
        exactly = _to_the_millisecond(getattr(StringCommandsMixin, name))
        undo.set_attribute(StringCommandsMixin, name, exactly)


def _to_the_millisecond(command: Callable[..., Any]) -> Callable[..., Any]:
    """SETEX and GETEX of fakeredis (2.41) end at a whole second, up to one too early."""

    @wraps(command)
    def exact(commands: Any, key: Any, *args: Any) -> Any:
        answer = command(commands, key, *args)
        if key.expireat is not None and isinstance(key.expireat, int):
            seconds = _seconds(*args)
            if seconds is not None:
                key.expireat = commands._db.time + seconds
        return answer

    return exact


def _seconds(first: Any, second: Any = None, *_: Any) -> float | None:
    """For how long: SETEX has it first, GETEX after its unit; ``None`` if it names an instant instead."""
    if isinstance(first, int):
        return first
    unit = first.lower()
    return int(second) / {b"ex": 1, b"px": 1000}[unit] if unit in (b"ex", b"px") else None
