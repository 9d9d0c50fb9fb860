"""kombu's connections: those of a simulated transport pass, and kombu's own in memory; no other is opened or used."""

from __future__ import annotations

from functools import wraps
from types import ModuleType
from typing import Any

from kombu.transport import memory

from retrysim.outside.address import PORTS, server
from retrysim.outside.barrier import Barrier
from retrysim.undo import UndoStack


def _put_into_connection(undo: UndoStack, barrier: Barrier, module: ModuleType) -> None:
    """``channel`` as well: a connection may have been open before."""
    for name in ("_establish_connection", "channel"):
        _guard(undo, barrier, module.Connection, name, lambda connection: connection)


def _put_into_producer(undo: UndoStack, barrier: Barrier, module: ModuleType) -> None:
    _guard(undo, barrier, module.Producer, "publish", lambda producer: producer.connection)


def _guard(undo: UndoStack, barrier: Barrier, kind: Any, name: str, connection_of: Any) -> None:
    real = getattr(kind, name)

    @wraps(real)
    def method(self: Any, *args: Any, **options: Any) -> Any:
        _check(barrier, connection_of(self))
        return real(self, *args, **options)

    undo.set_attribute(kind, name, method)


def _check(barrier: Barrier, connection: Any) -> None:
    if connection is None:
        return
    transport = connection._transport
    kind = connection.get_transport_cls() if transport is None else type(transport)
    if not (getattr(kind, "simulated", False) or issubclass(kind, memory.Transport)):
        name = str(connection.transport_cls or kind.driver_type)
        barrier.broker(server(name, connection.hostname, connection.port or PORTS.get(name)))


PLACES = {"kombu.connection": _put_into_connection, "kombu.messaging": _put_into_producer}
