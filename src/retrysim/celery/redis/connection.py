"""Stands in for ``redis.Connection``: redis-py's own commands and replies, to the simulated server, without a packet.

What it adds to fakeredis' connection: a read waits in virtual time, and counts as a sign of life, as in redis-py (the
health checks of kombu and redis-py compare the last one with the clock; a jump must not look like a dead connection).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from inspect import signature
from typing import Any, ClassVar

import redis.connection
from fakeredis import FakeRedisConnection

from retrysim.celery.redis.server import RedisServer
from retrysim.celery.redis.sockets import Socket
from retrysim.clock import GRID_NS, grid_ns
from retrysim.network import Connection as SimulatedConnection

#: What a connection is told of a real network: there is none.
_OF_A_NETWORK = ("path", "ssl", "credential_provider", "username", "password")
_CLOSED = "Connection closed by server."  # redis-py's words
#: No Redis listens below: who names such a port wants a server that is down.
_FIRST_PORT = 1024


def _what_the_client_says_of_itself() -> dict[str, Any]:
    """What a connection says of its client library, in the words of the installed redis-py (before 5.0: nothing).

    A connection that is not told asks fakeredis, which remembers the answer for every class of connections
    (``fakeredis/_clients/_setup.py``, 2.41), and so would keep the class of each simulation forever.
    """
    parameters = signature(redis.connection.AbstractConnection.__init__).parameters
    if "driver_info" in parameters:
        from redis.driver_info import DriverInfo

        return {"driver_info": DriverInfo()}
    return {"lib_name": parameters["lib_name"].default} if "lib_name" in parameters else {}


_OF_THE_CLIENT = _what_the_client_says_of_itself()


class Connection(FakeRedisConnection):  # type: ignore[misc]
    """A connection to ``simulated``; bound to a server by ``connection_class``."""

    simulated: ClassVar[RedisServer]
    server_key = "the simulated Redis"
    _greets = False

    def __init__(self, *args: Any, **options: Any) -> None:
        known = {name: value for name, value in options.items() if not name.startswith(_OF_A_NETWORK)}
        super().__init__(*args, server=self.simulated, **{**_OF_THE_CLIENT, **known})

    def _connect(self) -> Socket:
        if self.port < _FIRST_PORT:
            raise redis.ConnectionError(f"Error 111 connecting to {self.host}:{self.port}. Connection refused.")
        # The server's side of it knows the options of this client from the beginning.
        options = {
            "client_class": self._client_class,
            "db": self.db,
            "lua_modules": self._lua_modules,
            "client_info": self._client_info,
        }
        accept = partial(_accept, options)
        socket = self.simulated.route.connect(self.socket_connect_timeout, accept).session
        assert isinstance(socket, Socket)
        return socket

    # Commands go to the server as lists of fields: nobody looks at the bytes that redis-py would make of them.

    def send_command(self, *args: Any, **options: Any) -> None:
        self.send_packed_command(self.pack_command(*args), check_health=options.get("check_health", True))

    def pack_command(self, *args: Any) -> list[list[bytes]]:
        return self.pack_commands([args])

    def pack_commands(self, commands: Iterable[Sequence[Any]]) -> list[list[bytes]]:
        return [self._fields(*command) for command in commands]

    def _fields(self, name: str | bytes, *args: Any) -> list[bytes]:
        encode = self.encoder.encode
        words = (name.encode() if isinstance(name, str) else name).split()  # as in "CONFIG GET"
        return [*words, *(bytes(encode(arg)) for arg in args)]

    def connect(self) -> None:
        self._greets = True
        try:
            super().connect()
        finally:
            self._greets = False

    def can_read(self, timeout: float | None = 0) -> bool:
        if not self._sock:
            self.connect()
        if self._sock.connection.ended:
            self.disconnect()
            raise redis.ConnectionError(_CLOSED)
        return self._sock.connection.readable or (timeout != 0 and self._wait(timeout))

    def read_response(self, **options: Any) -> Any:
        if not self._greets:
            self.simulated.let_the_answer_travel()
        if self._sock:
            self._must_be_readable()
        response = super().read_response(**options)
        self.note_sign_of_life()
        return response

    def _must_be_readable(self) -> None:
        """Wait for a reply as long as redis-py would; raises its errors."""
        connection, own = self._sock.connection, self._sock.timeout
        in_time = connection.readable or self._wait(self.socket_timeout if own is None else own)
        if not in_time or connection.timed_out:
            self.disconnect()
            raise redis.TimeoutError(f"Timeout reading from {self.server_key}")
        if connection.ended:
            self.disconnect()
            raise redis.ConnectionError(_CLOSED)

    def note_sign_of_life(self, ago_ns: int = 0) -> None:
        """The server has answered: no health check is due for a while."""
        answered_s = self.reading_s()
        if ago_ns:
            answered_s = (round(answered_s * 1e6) - ago_ns // GRID_NS) / 1e6
        self.next_health_check = answered_s + self.health_check_interval

    def reading_s(self) -> float:
        """What the clock tells by which redis-py decides whether a health check is due."""
        reading = vars(redis.connection)["time"]  # redis-py 5 took the function ``time``, later ones the module
        return float(reading() if callable(reading) else reading.monotonic())

    @property
    def is_undisturbed(self) -> bool:
        """Whether a command would be answered at once, and nobody would notice."""
        return self._sock is not None and self._sock.connection.is_undisturbed

    def _wait(self, seconds: float | None) -> bool:
        """Wait for a reply; says whether one came in time."""
        environment, sock = self.simulated.environment, self._sock
        sock.would_ask_again = _answer_me
        deadline_ns = None if seconds is None else environment.clock.ns + grid_ns(seconds)
        while not sock.connection.readable:
            left_ns = None if deadline_ns is None else deadline_ns - environment.clock.ns
            if left_ns is not None and left_ns <= 0:
                return False
            # A blocked command's own timeout brings the reply; the wait for it keeps the run alive until then.
            until_answer_ns = self.simulated.until_timeout_ns(sock)
            known = [ns for ns in (left_ns, until_answer_ns) if ns is not None]
            environment.wait(sock.connection.arrived, timeout_ns=min(known, default=None))
        return True


def _accept(options: dict[str, Any], connection: SimulatedConnection, _now_ns: int) -> Socket:
    server = connection.route.server
    assert isinstance(server, RedisServer)
    return Socket(server, connection, **options)


def _answer_me() -> bool:
    return False


def connection_class(server: RedisServer) -> type[Connection]:
    """The class that redis-py is to make its connections of: its pools make the instance."""
    return type("Connection", (Connection,), {"simulated": server})
