"""A simulated RabbitMQ on a port of this machine, in real time, for AMQP clients in any language."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import cast

from retrysim.rabbitmq.connection import Connection
from retrysim.rabbitmq.server import RabbitMQServer


class RabbitMQPort:
    """Serves ``server`` on 127.0.0.1 from a thread; ``say`` receives a line about each client that comes and goes.

    ``start`` raises ``OSError`` when the port is taken.
    """

    def __init__(
        self, server: RabbitMQServer, *, port: int = 0, say: Callable[[str], None] = lambda _text: None
    ) -> None:
        self.server = server
        self.port = port
        self.say = say
        self.protocols: dict[Connection, _Client] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="retrysim serve rabbitmq", daemon=True)
        self._bound: Future[int] = Future()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        self._thread.start()
        self.port = self._bound.result()

    def stop(self) -> None:
        """Close it and all connections."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def now_ns(self) -> int:
        return time.time_ns()

    def _serve(self) -> None:
        try:
            listening = self._loop.create_server(lambda: _Client(self), "127.0.0.1", self.port)
            listener = self._loop.run_until_complete(listening)
        except OSError as error:
            self._bound.set_exception(error)
            return
        self._bound.set_result(listener.sockets[0].getsockname()[1])
        try:
            self._loop.run_forever()
        finally:
            listener.close()
            for client in list(self.protocols.values()):
                client.transport.abort()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    def flush(self) -> None:
        """Send what the server has to say, and wake it when something is due."""
        for connection, data in self.server.flush():
            client = self.protocols.get(connection)
            if client is not None:
                client.transport.write(data)
                if connection.over:
                    client.transport.close()
        if self._timer is not None:
            self._timer.cancel()
        due = (self.server.next_ns(background=background) for background in (False, True))
        due_ns = min((ns for ns in due if ns is not None), default=None)
        if due_ns is not None:
            self._timer = self._loop.call_later(max(0, due_ns - self.now_ns()) / 1e9, self._advance)

    def _advance(self) -> None:
        self.server.advance(self.now_ns())
        self.flush()


class _Client(asyncio.Protocol):
    """One connection: bytes between the socket and the server."""

    transport: asyncio.Transport
    _connection: Connection

    def __init__(self, port: RabbitMQPort) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._port.server.advance(self._port.now_ns())
        self._connection = self._port.server.connect()
        self._port.protocols[self._connection] = self
        self._port.say(f"{self._name} has connected")

    def data_received(self, data: bytes) -> None:
        self._connection.receive(data, self._port.now_ns())
        self._port.flush()

    def connection_lost(self, error: Exception | None) -> None:
        del self._port.protocols[self._connection]
        if not self._connection.over:
            self._port.server.advance(self._port.now_ns())
            self._connection.lost()
            self._port.flush()
        self._port.say(f"{self._name} has gone")

    @property
    def _name(self) -> str:
        host, port = self.transport.get_extra_info("peername")[:2]
        return f"{host}:{port}"
