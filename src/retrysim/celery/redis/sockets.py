"""Stands in for a socket to Redis: fakeredis' own, whose commands and replies go over the simulated network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fakeredis._helpers import NoResponse, SimpleError  # no public name; fakeredis >= 2.40
from fakeredis._socket import FakeSocket

from retrysim.clock import grid_ns
from retrysim.network import Connection

if TYPE_CHECKING:
    from retrysim.celery.redis.server import RedisServer


#: Commands that wait for an element of any of some lists.
_POPS = frozenset({b"BRPOP", b"BLPOP"})


def _never() -> bool:
    return False


def _nothing(_ago_ns: int) -> None: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Blocked:
    """A client that waits for an answer: how to try again, and what it receives when its time is up."""

    socket: Socket
    command: bytes
    words: frozenset[bytes]
    attempt: Callable[[], Any]
    give_up: Callable[[], Any]
    timeout_ns: int | None
    deadline: Any = None

    def may_get(self, changed: frozenset[bytes]) -> bool:
        """Whether to try again for these keys. Who pops from a list gets nothing of one that is gone again."""
        wanted = changed & self.words
        if self.command in _POPS:
            return any(self.socket._db.get(key) is not None for key in wanted)
        return bool(wanted)

    def asks_again(self) -> bool:
        """Whether it would ask the same at once if it learned that its time is up."""
        return not self.socket.connection.silent and self.socket.would_ask_again()


class _Replies:
    """The queue that fakeredis' connection reads replies from: what has arrived."""

    def __init__(self, connection: Connection) -> None:
        self._inbox = connection.inbox

    def get(self) -> Any:
        return self._inbox.popleft()

    get_nowait = get

    def empty(self) -> bool:
        return not self._inbox


class Socket(FakeSocket):  # type: ignore[misc]
    """Both ends of one connection: what redis-py takes for its socket, and the server's record of the client."""

    def __init__(self, server: RedisServer, connection: Connection, **options: Any) -> None:
        self.connection = connection
        super().__init__(server, **options)
        self.responses: Any = _Replies(connection)
        #: asked when a blocking command's time is up: whether the client would send the same command at once
        self.would_ask_again: Callable[[], bool] = _never
        #: told how many nanoseconds ago it counts as sent again
        self.asks_again: Callable[[int], None] = _nothing
        #: seconds that a read waits at most, if somebody has set it on the socket itself
        self.timeout: float | None = None
        self._on_lost = server.on_lost
        self._words: list[bytes] = []
        self._in_command = False

    # -- the client's end ----------------------------------------------------------------------------------------------

    def sendall(self, data: Any) -> None:
        self.connection.send_to_server(data)

    def fileno(self) -> int:
        return self.connection.file_number

    def settimeout(self, seconds: float | None) -> None:
        """A limit to reads, which matters when the network is silent."""
        self.timeout = seconds

    def close(self) -> None:
        server = self._server
        if server is not None:
            super().close()
            self.connection.close()
            server.unblock(self)

    # -- the server's end ----------------------------------------------------------------------------------------------

    @property
    def is_subscriber(self) -> bool:
        """Whether it listens to channels, and to nothing else."""
        return bool(self._pubsub)

    def data_received(self, data: list[bytes] | bytes, _now_ns: int) -> None:
        """A command by its fields, or bytes of the protocol: what comes while another one blocks has to wait."""
        if type(data) is not list:
            super().sendall(data)
        elif self._paused or self._killed or not self._server.connected:
            super().sendall(as_bytes(data))
        else:
            self._process_command(data)

    def connection_lost(self, _now_ns: int) -> None:
        self._on_lost(self.connection)
        server = self._server
        if server is not None:
            server.unblock(self)
            with server.lock:
                self.kill()

    def put_response(self, msg: Any) -> None:
        """A reply to its own command is there at once; what others send it takes its time."""
        if self._server is not None:
            self.connection.send(msg, delay_ns=0 if self._in_command else self._server.delivery_ns)

    def _process_command(self, fields: list[bytes]) -> None:
        server = self._server
        self._words = fields
        self._in_command = True
        clock = server.environment.clock
        skew_ns, clock.skew_ns = clock.skew_ns, 0  # the server has a clock of its own
        try:
            super()._process_command(fields)
        finally:
            clock.skew_ns = skew_ns
            self._in_command = False
        server.serve_blocked()

    def _blocking(
        self, timeout: float | None, func: Callable[[bool], Any], shape: Callable[[Any], Any] | None = None
    ) -> Any:
        """As fakeredis': try, else wait for a change; but nothing here waits, the reply is sent later."""
        shaped = shape or _as_it_is
        result = func(True)
        if result is not None or self._in_transaction:
            return shaped(result)
        self.pause()

        def attempt() -> Any:
            try:
                again = func(False)
            except SimpleError as error:  # the key has another type now, or its group is gone
                return self._decode_result(error)
            return None if again is None else self._decode_result(shaped(again))

        self._server.block(
            Blocked(
                socket=self,
                command=self._words[0].upper(),
                words=frozenset(self._words),
                attempt=attempt,
                give_up=lambda: self._decode_result(shaped(None)),
                timeout_ns=grid_ns(timeout) if timeout else None,
            )
        )
        return NoResponse()


def as_bytes(fields: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(fields) + b"".join(b"$%d\r\n%s\r\n" % (len(field), field) for field in fields)


def _as_it_is(result: Any) -> Any:
    return result
