"""A client's socket whose other end is a handler: what is sent is answered in memory, what takes time is slept.

It has the methods of ``socket.socket``, and those of a TLS socket: only the encryption is left out. What few clients
call is in ``socket_calls``.
"""

from __future__ import annotations

import errno
import io
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, cast

from retrysim.wire.broken import broken_pipe_error, refused_error
from retrysim.wire.conversation import Conversation
from retrysim.wire.inbox import Inbox, Pause
from retrysim.wire.lifeline import Lifeline
from retrysim.wire.line import Line
from retrysim.wire.origin import Origin
from retrysim.wire.reply import Ending
from retrysim.wire.socket_calls import SocketCalls

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_CLIENT_ADDRESS = ("127.0.0.1", 49152)
_SERVER_IP = "127.0.0.1"


class MemorySocket(SocketCalls):
    """One connection to one origin. Timeouts are seconds, as in ``socket.settimeout``; ``None`` waits forever."""

    __slots__ = (
        "_closed", "_conversation", "_files", "_hang", "_inbox", "_lifeline", "_line", "_refused", "_timeout",
        "_unsent", "origin",
    )  # fmt: skip

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(
        self,
        *,
        conversation: Conversation,
        lifeline: Lifeline,
        line: Line,
        hang: Callable[[Origin], NoReturn],
        timeout: float | None = None,
        refused: Callable[[], Exception] = refused_error,
    ) -> None:
        self.origin = conversation.origin
        self._conversation = conversation
        self._lifeline = lifeline
        self._line = line
        self._unsent = b""  # while the line is silent
        self._hang = hang
        self._timeout = timeout
        self._refused = refused
        self._inbox = Inbox()
        self._files = 0
        self._closed = False

    @property
    def is_usable(self) -> bool:
        """Can a request still be sent: has neither side closed the connection?"""
        return not self._closed and self._lifeline.alive and not self._line.cut and not self._inbox.is_over

    @property
    def is_readable(self) -> bool:
        """Would ``recv`` return at once: bytes, the end, or an error?"""
        if not self._lifeline.alive or self._line.cut:
            return True
        return not self._line.silent and self._inbox.has_arrived

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Hand over bytes; the request that they complete is answered before this returns.

        Raises ``BrokenPipeError`` on a dropped connection, and the client's own error when the peer refuses.
        """
        if self._closed:
            raise _bad_descriptor()
        if not self.is_usable:
            raise broken_pipe_error()
        self._unsent += bytes(data)
        if not self._line.silent:
            self._send()

    def _send(self) -> None:
        data, self._unsent = self._unsent, b""
        replies = self._conversation.receive(data)
        if any(reply.ending is Ending.REFUSED for reply in replies):
            raise self._refused()
        self._inbox.put(self._line.carried(replies))

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        self.sendall(data)
        return memoryview(data).nbytes

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Up to ``size`` bytes once the latency was slept; ``b""`` at the end of the file.

        Raises ``TimeoutError`` when the timeout was slept, ``ConnectionResetError``, or what ``hang`` raises.
        """
        waited = 0.0
        while (pause := self.pause(waited)) is not None:
            if self._timeout == 0:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            if pause.seconds is None:
                self._hang(self.origin)
            time.sleep(pause.seconds)
            if pause.timed_out:
                raise self.timeout_error()
            waited += pause.seconds
        return self.take(size)

    def recv_into(self, buffer: WriteableBuffer, size: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view))
        view[: len(data)] = data
        return len(data)

    def pause(self, waited: float = 0.0) -> Pause | None:
        """The next wait before ``take`` may be called, of a read that has ``waited`` some seconds already.

        ``recv`` sleeps it, an asynchronous client has its own way.
        """
        if self._closed and not self._files:
            raise _bad_descriptor()
        if not self._lifeline.alive or self._line.cut:
            return None
        left = None if self._timeout is None else max(0.0, self._timeout - waited)
        if self._line.silent:
            again = self._line.until_sent_again()
            return Pause(again, timed_out=False) if left is None or again < left else Pause(left, timed_out=True)
        if self._unsent:
            self._send()
        return self._inbox.pause(left)

    def take(self, size: int) -> bytes:
        """What has arrived, up to ``size`` bytes. Raises the line's error when it is cut."""
        if self._line.cut:
            raise self._line.error()
        return self._inbox.read(size)

    def timeout_error(self) -> TimeoutError:
        return TimeoutError("The read operation timed out" if self.origin.scheme == "https" else "timed out")

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:
        """A buffered file of what arrives; it outlives ``close``, as it does on a real socket."""
        assert mode == "rb", f"HTTP clients read bytes from a socket's file, not {mode!r}"
        self._files += 1
        return io.BufferedReader(socket.SocketIO(cast(socket.socket, self), "r"))

    def _decref_socketios(self) -> None:
        """Called by ``socket.SocketIO`` when such a file is closed."""
        self._files -= 1

    def close(self) -> None:
        self._closed = True
        self._line.leave()

    def shutdown(self, how: int) -> None:
        """Nothing is left to be sent: every request is answered as soon as it is complete."""

    def fileno(self) -> int:
        """A descriptor that polls as this connection would: readable when something, or the end, is there."""
        if self._closed and not self._files:
            return -1
        return self._lifeline.descriptor(readable=self.is_readable)

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """There is no kernel whose options could matter."""

    def getsockname(self) -> tuple[str, int]:
        return _CLIENT_ADDRESS

    def getpeername(self) -> tuple[str, int]:
        return (_SERVER_IP, self.origin.port)

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes:
        """A certificate that names the origin, as far as a client can tell without verifying it."""
        if binary_form:
            return b""
        return {"subject": ((("commonName", self.origin.host),),), "subjectAltName": (("DNS", self.origin.host),)}

    def version(self) -> str:
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        return ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)

    def selected_alpn_protocol(self) -> str | None:
        return "http/1.1"


def _bad_descriptor() -> OSError:
    return OSError(errno.EBADF, os.strerror(errno.EBADF))
