"""Stands in for a socket to Redis: fakeredis' own, whose replies wake those who wait for them in virtual time."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from fakeredis._helpers import NoResponse, SimpleError  # no public name; fakeredis >= 2.40
from fakeredis._socket import FakeSocket

from retrysim.celery.redis.ordered import OrderedSet
from retrysim.celery.redis.server import Blocked, Server, timeout_ns
from retrysim.kernel import Condition

if TYPE_CHECKING:
    from retrysim.celery.redis.poller import Poller
    from retrysim.kernel.schedule import Event


def _never() -> bool:
    return False


class Socket(FakeSocket):  # type: ignore[misc]
    """One client's end. ``host`` is the simulated process that opened it; ``None`` is the test."""

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        process = server.environment.current
        self.host = None if process is None else process.host
        self.responses: Any = SimpleQueue()
        self.arrived = Condition("a reply from Redis")
        self.pollers: OrderedSet[Poller] = OrderedSet()
        #: asked when a blocking command's time is up: whether the client would send the same command at once
        self.would_ask_again: Callable[[], bool] = _never
        #: seconds that a read waits at most, if somebody has set it on the socket itself
        self.timeout: float | None = None
        self._arrivals = 0
        self._words: list[bytes] = []
        self._broken = False
        #: whether TCP has given up: what was sent was never acknowledged
        self.timed_out = False
        self._giving_up: Event | None = None
        self._unsent: list[bytes] = []
        self._undelivered: list[Any] = []
        self._network = server.network
        self._in_command = False
        self._fileno = server.enter(self)

    @property
    def silent(self) -> bool:
        """Whether the network lets nothing pass."""
        return self._network.silences(self.host)

    @property
    def readable(self) -> bool:
        """Whether a reply waits to be read, or the end of the connection."""
        return self.timed_out or (not self.silent and (self.ended or not self._nothing_to_read))

    @property
    def ended(self) -> bool:
        """Whether the server has hung up and nothing is left to be read."""
        return self._broken and not self.silent and self._nothing_to_read

    @property
    def _nothing_to_read(self) -> bool:
        return self.responses is None or bool(self.responses.empty())

    def unread(self) -> list[Any]:
        """The replies that nobody has read yet, which stay to be read."""
        replies: list[Any] = list(self._undelivered)
        for _ in range(0 if self.responses is None else self.responses.qsize()):
            reply = self.responses.get()
            self.responses.put(reply)
            replies.append(reply)
        return replies

    @property
    def state(self) -> tuple[int, int]:
        """Changes whenever something arrives or is read."""
        return self._arrivals, 0 if self.responses is None else self.responses.qsize()

    @property
    def in_hub(self) -> bool:
        """Whether a worker's hub waits for it just now."""
        return any(poller.parked for poller in self.pollers)

    @property
    def is_subscriber(self) -> bool:
        """Whether it listens to channels, and to nothing else."""
        return bool(self._pubsub)

    def put_response(self, msg: Any) -> None:
        """A reply to its own command is there at once; what others send it takes its time."""
        server = self._server
        if self._in_command or server is None or not server.delivery_ns:
            self.receive(msg)
        else:
            due_ns = server.environment.clock.ns + server.delivery_ns
            server.environment.schedule(due_ns, lambda: self.receive(msg))

    def receive(self, msg: Any) -> None:
        """It has arrived, or waits for the network to let it pass."""
        if self.silent:
            self._undelivered.append(msg)
        elif self.responses is not None:
            self.responses.put(msg)
            self._arrivals += 1
            self._tell()

    def sendall(self, data: Any) -> None:
        if self._broken and not self.silent:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self.silent:
            if not self._unsent:
                self._giving_up = self._network.after_retransmissions(self._give_up)
            self._unsent.append(data)
        else:
            super().sendall(data)

    def _tell(self) -> None:
        """Wake those who wait for this socket."""
        self.arrived.notify_all()
        for poller in self.pollers:
            poller.arrived(self)

    # -- what the network does to it -----------------------------------------------------------------------------------

    def break_connection(self) -> None:
        """The server hangs up; what it had answered can still be read."""
        if self._server is not None and not self._broken:
            self._arrivals += 1
            self.lose_server()
            self._tell()

    def lose_server(self) -> None:
        """From here on nothing comes from the server, and it knows the client no more."""
        server = self._server
        self._broken = True
        server.leave(self)
        with server.lock:
            self.kill()

    def _give_up(self) -> None:
        self.timed_out = True
        self._tell()

    def catch_up(self) -> None:
        """The silence is over: what was sent and answered meanwhile arrives."""
        undelivered, self._undelivered = self._undelivered, []
        for msg in undelivered:
            self.receive(msg)
        unsent, self._unsent = self._unsent, []
        if self._giving_up is not None:
            self._giving_up.cancel()
        for data in unsent if not self._broken else ():
            self.sendall(data)
        self._tell()

    def close(self) -> None:
        server = self._server
        if self._giving_up is not None:
            self._giving_up.cancel()
        super().close()
        if server is not None:
            server.leave(self)

    def settimeout(self, seconds: float | None) -> None:
        """A limit to reads, which matters when the network is silent."""
        self.timeout = seconds

    def _process_command(self, fields: list[bytes]) -> None:
        server = self._server
        self._words = fields
        self._in_command = True
        try:
            super()._process_command(fields)
        finally:
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
                words=frozenset(self._words),
                attempt=attempt,
                give_up=lambda: self._decode_result(shaped(None)),
                timeout_ns=timeout_ns(timeout),
            )
        )
        return NoResponse()


def _as_it_is(result: Any) -> Any:
    return result
