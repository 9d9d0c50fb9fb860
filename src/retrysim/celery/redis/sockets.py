"""Stands in for a socket to Redis: fakeredis' own, whose replies wake those who wait for them in virtual time."""

from __future__ import annotations

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
        self._words: list[bytes] = []
        self._fileno = server.enter(self)

    @property
    def readable(self) -> bool:
        """Whether a reply waits to be read."""
        return self.responses is not None and not self.responses.empty()

    @property
    def in_hub(self) -> bool:
        """Whether a worker's hub waits for it just now."""
        return any(poller.parked for poller in self.pollers)

    def put_response(self, msg: Any) -> None:
        if self.responses is not None:
            self.responses.put(msg)
            self.arrived.notify_all()
            for poller in self.pollers:
                poller.wake()

    def close(self) -> None:
        server = self._server
        super().close()
        if server is not None:
            server.leave(self)

    def settimeout(self, seconds: float | None) -> None:
        """A fake server that answers at all answers at once: there is nothing to limit."""

    def _process_command(self, fields: list[bytes]) -> None:
        server = self._server
        self._words = fields
        super()._process_command(fields)
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
