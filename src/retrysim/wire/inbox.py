"""What the server has sent and the client has not read: how long to wait for it, then its bytes, then the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from retrysim.durations import SECOND
from retrysim.wire.broken import reset_error
from retrysim.wire.reply import Ending, WireReply


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait before a read: ``seconds`` (``None``: forever), after which the client's timeout may be over."""

    seconds: float | None
    timed_out: bool


class Inbox:
    """The replies of one connection in their order. The caller does the waiting: it knows how its client sleeps."""

    __slots__ = ("_data", "_ending", "_replies", "_waiting_ns")

    def __init__(self) -> None:
        self._replies: deque[WireReply] = deque()
        self._waiting_ns = 0
        self._data = memoryview(b"")
        self._ending = Ending.OPEN

    def put(self, replies: Iterable[WireReply]) -> None:
        for reply in replies:
            if not self._replies:
                self._waiting_ns = reply.latency_ns
            self._replies.append(reply)

    @property
    def has_arrived(self) -> bool:
        """Would a read return at once? That is: bytes, the end of the file, or an error are there."""
        return bool(self._data) or self.is_over or (bool(self._replies) and not self._must_wait)

    @property
    def is_over(self) -> bool:
        """Has the peer closed or reset the connection?"""
        return self._ending in (Ending.CLOSED, Ending.RESET)

    @property
    def _must_wait(self) -> bool:
        return self._waiting_ns > 0 or self._replies[0].ending is Ending.SILENT

    def pause(self, timeout: float | None) -> Pause | None:
        """The wait before the next read under a timeout in seconds; ``None`` when there is nothing to wait for.

        A client whose timeout is as long as the latency is served: it gives up only when it must wait longer.
        """
        if self.has_arrived:
            return None
        if not self._replies or self._replies[0].ending is Ending.SILENT:
            return Pause(timeout, timed_out=True)
        timeout_ns = None if timeout is None else round(timeout * SECOND)
        if timeout_ns is not None and timeout_ns < self._waiting_ns:
            self._waiting_ns -= timeout_ns
            return Pause(timeout, timed_out=True)
        waited, self._waiting_ns = self._waiting_ns, 0
        return Pause(waited / SECOND, timed_out=False)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; ``b""`` at the end of the file. Raises ``ConnectionResetError`` after a reset."""
        while not self._data and not self.is_over and self._replies:
            self._open_next()
        if not self._data and self._ending is Ending.RESET:
            raise reset_error()
        taken, self._data = self._data[:size], self._data[size:]
        return bytes(taken)

    def _open_next(self) -> None:
        reply = self._replies.popleft()
        self._data, self._ending = memoryview(reply.data), reply.ending
        self._waiting_ns = self._replies[0].latency_ns if self._replies else 0
