"""An asyncio transport whose other end is a handler: answers come through the event loop, late ones by its clock."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from retrysim.durations import SECOND
from retrysim.wire.broken import reset_error
from retrysim.wire.conversation import Conversation
from retrysim.wire.lifeline import Lifeline
from retrysim.wire.line import Line
from retrysim.wire.reply import Ending, WireReply


class MemoryTransport(asyncio.Transport):
    """One connection to one origin.

    ``refused`` makes the client's error for a peer that refuses; the protocol gets it through ``set_exception``, as
    it gets what a handler raises.
    """

    def __init__(
        self,
        protocol: Any,
        conversation: Conversation,
        lifeline: Lifeline,
        refused: Callable[[], Exception],
        line: Line | None = None,
    ) -> None:
        super().__init__({"peername": ("127.0.0.1", conversation.origin.port), "sockname": ("127.0.0.1", 49152)})
        self._protocol = protocol
        self._conversation = conversation
        self._lifeline = lifeline
        self._refused = refused
        self._line = line or Line()
        self._unsent = b""  # while the line is silent
        self._loop = asyncio.get_running_loop()
        self._replies: deque[WireReply] = deque()
        self._next: asyncio.Handle | None = None
        self._paused = False
        self._has_arrived = False
        self._closed = False
        self._lost = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closing():
            return
        self._unsent += bytes(data)
        if self._line.silent:
            self._schedule()
        else:
            self._send()

    def _send(self) -> None:
        data, self._unsent = self._unsent, b""
        try:
            replies = self._conversation.receive(data)
        except Exception as error:
            self._fail(error)
            return
        self._replies.extend(self._line.carried(replies))
        self._schedule()

    def _schedule(self) -> None:
        """The next reply comes after its latency; one of silence, and all behind it, never."""
        if self._next is not None:
            return
        if self._line.silent and (self._unsent or self._replies):
            self._next = self._loop.call_later(self._line.until_sent_again(), self._try_again)
            return
        if not self._replies or self._replies[0].ending is Ending.SILENT:
            return
        latency_ns = self._replies[0].latency_ns
        if latency_ns:
            self._next = self._loop.call_later(latency_ns / SECOND, self._arrive)
        else:
            self._next = self._loop.call_soon(self._arrive)

    def _arrive(self) -> None:
        """It is there; a protocol that has paused gets it when it reads on."""
        if self._line.cut or self._line.silent:
            self._try_again()
            return
        self._has_arrived = True
        if not self._paused:
            self._deliver()

    def _try_again(self) -> None:
        """The line was silent, or is cut."""
        self._next = None
        if self._line.cut:
            self._lose(self._line.error())
        elif self._line.silent or not self._unsent:
            self._schedule()
        else:
            self._send()

    def _deliver(self) -> None:
        self._next, self._has_arrived = None, False
        reply = self._replies.popleft()
        if reply.data:
            self._protocol.data_received(reply.data)
        match reply.ending:
            case Ending.CLOSED:
                self._lose(None)
            case Ending.RESET:
                self._lose(reset_error())
            case Ending.REFUSED:
                self._fail(self._refused())
        self._schedule()

    def _fail(self, error: Exception) -> None:
        self._stop()
        self._protocol.set_exception(error)

    def _lose(self, error: Exception | None) -> None:
        self._stop()
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(error)

    def _stop(self) -> None:
        self._closed = True
        self._line.leave()
        self._replies.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def close(self) -> None:
        """The client is done with it; the loop notifies its protocol, as of any transport."""
        self._stop()
        self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closed or not self._lifeline.alive or self._line.cut

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        if self._has_arrived and not self._closed:
            self._deliver()

    def is_reading(self) -> bool:
        return not self._paused and not self._closed

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered: a write is read at once."""

    def can_write_eof(self) -> bool:
        return False
