"""What a server on the network has to offer: it gets bytes and the time, answers on the connection, and does no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from retrysim.network.connection import Connection


class Session(Protocol):
    """One accepted connection, as the server sees it. No method may wait."""

    def data_received(self, data: Any, now_ns: int) -> None:
        """The client has sent ``data``: bytes, in pieces of any size, or what this server's clients hand over instead.

        The session answers with ``connection.send``, now or later, and ends the connection with ``connection.hang_up``.
        """
        ...

    def connection_lost(self, now_ns: int) -> None:
        """The client has closed the connection, or has died, or a fault cut it. Called once, unless it hung up."""
        ...


class Server(Protocol):
    """A server without I/O. ``name`` is what a person reads: ``"RabbitMQ"``.

    It reads no clock: each call has the time (nanoseconds since the epoch). For what is due later it asks
    ``connection.call_at`` or ``route.call_at``.
    """

    name: str

    def accept(self, connection: Connection, now_ns: int) -> Session:
        """A client has connected. Raises ``ConnectionRefusedError`` to refuse it; may send at once."""
        ...
