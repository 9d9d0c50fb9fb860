"""redis-py's connections, also those of asyncio; one that was open before is refused like a new one."""

from __future__ import annotations

from functools import wraps
from types import ModuleType
from typing import Any

from retrysim.outside.address import server
from retrysim.outside.barrier import Barrier
from retrysim.undo import UndoStack


def _put(undo: UndoStack, barrier: Barrier, module: ModuleType) -> None:
    kind = module.AbstractConnection
    for name in ("connect", "send_packed_command"):
        real = getattr(kind, name)

        def method(connection: Any, *args: Any, _real: Any = real, **options: Any) -> Any:
            _check(barrier, connection)
            return _real(connection, *args, **options)

        undo.set_attribute(kind, name, wraps(real)(method))


def _check(barrier: Barrier, connection: Any) -> None:
    if not any(base.__module__.startswith("fakeredis") for base in type(connection).__mro__):
        path = getattr(connection, "path", None)  # of a Unix socket
        port = None if path else getattr(connection, "port", 6379)
        barrier.redis(server("Redis", path or getattr(connection, "host", None), port))


PLACES = {"redis.connection": _put, "redis.asyncio.connection": _put}
