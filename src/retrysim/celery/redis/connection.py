"""Stands in for ``redis.Connection``: redis-py's own commands and replies, to the simulated server, without a packet.

What it adds to fakeredis' connection: a read waits in virtual time, and counts as a sign of life, as in redis-py (the
health checks of kombu and redis-py compare the last one with the clock; a jump must not look like a dead connection).
"""

from __future__ import annotations

from typing import Any, ClassVar

import redis.connection
from fakeredis import FakeRedisConnection

from retrysim.celery.redis.server import Server
from retrysim.celery.redis.sockets import Socket
from retrysim.clock import grid_ns

#: What a connection is told of a real network: there is none.
_OF_A_NETWORK = ("path", "ssl", "credential_provider", "username", "password")
_CLOSED = "Connection closed by server."  # redis-py's words
#: No Redis listens below: who names such a port wants a server that is down.
_FIRST_PORT = 1024


class Connection(FakeRedisConnection):  # type: ignore[misc]
    """A connection to ``simulated``; bound to a server by ``connection_class``."""

    simulated: ClassVar[Server]
    server_key = "the simulated Redis"
    _greets = False

    def __init__(self, *args: Any, **options: Any) -> None:
        known = {name: value for name, value in options.items() if not name.startswith(_OF_A_NETWORK)}
        super().__init__(*args, server=self.simulated, **known)

    def _connect(self) -> Socket:
        if self.port < _FIRST_PORT:
            raise redis.ConnectionError(f"Error 111 connecting to {self.host}:{self.port}. Connection refused.")
        process = self.simulated.environment.current
        self.simulated.network.connect(None if process is None else process.host, self.socket_connect_timeout)
        return Socket(
            self._server,
            client_class=self._client_class,
            db=self.db,
            lua_modules=self._lua_modules,
            client_info=self._client_info,
        )

    def connect(self) -> None:
        self._greets = True
        try:
            super().connect()
        finally:
            self._greets = False

    def can_read(self, timeout: float | None = 0) -> bool:
        if not self._sock:
            self.connect()
        if self._sock.ended:
            self.disconnect()
            raise redis.ConnectionError(_CLOSED)
        return self._sock.readable or (timeout != 0 and self._wait(timeout))

    def read_response(self, **options: Any) -> Any:
        if not self._greets:
            self.simulated.let_the_answer_travel()
        sock = self._sock
        if sock and not sock.readable and not self._wait(self.socket_timeout if sock.timeout is None else sock.timeout):
            self.disconnect()
            raise redis.TimeoutError(f"Timeout reading from {self.server_key}")
        if sock and sock.timed_out:
            self.disconnect()
            raise redis.TimeoutError(f"Timeout reading from {self.server_key}")
        if sock and sock.ended:
            self.disconnect()
            raise redis.ConnectionError(_CLOSED)
        response = super().read_response(**options)
        self.note_sign_of_life()
        return response

    def note_sign_of_life(self) -> None:
        """The server has answered: no health check is due for a while."""
        reading = vars(redis.connection)["time"]  # redis-py 5 took the function ``time``, later ones the module
        now = reading() if callable(reading) else reading.monotonic()
        self.next_health_check = now + self.health_check_interval

    def _wait(self, seconds: float | None) -> bool:
        """Wait for a reply; says whether one came in time."""
        environment, sock = self.simulated.environment, self._sock
        sock.would_ask_again = _answer_me
        deadline_ns = None if seconds is None else environment.clock.ns + grid_ns(seconds)
        while not sock.readable:
            left_ns = None if deadline_ns is None else deadline_ns - environment.clock.ns
            if left_ns is not None and left_ns <= 0:
                return False
            # A blocked command's own timeout brings the reply; the wait for it keeps the run alive until then.
            until_answer_ns = self.simulated.until_timeout_ns(sock)
            known = [ns for ns in (left_ns, until_answer_ns) if ns is not None]
            environment.wait(sock.arrived, timeout_ns=min(known, default=None))
        return True


def _answer_me() -> bool:
    return False


def connection_class(server: Server) -> type[Connection]:
    """The class that redis-py is to make its connections of: its pools make the instance."""
    return type("Connection", (Connection,), {"simulated": server})
