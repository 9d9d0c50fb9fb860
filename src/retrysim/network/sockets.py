"""Stands in for ``socket.socket``: a client's TCP socket on the simulated network, which waits in virtual time."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from retrysim.clock import grid_ns
from retrysim.network.connection import Connection
from retrysim.network.route import Route

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_CLIENT_IP = "127.0.0.1"
#: Where Linux begins with the ports of clients; they do not matter, but differ.
_FIRST_PORT = 32_768
_PORTS = 28_232
_TIMEVAL = struct.Struct("ll")


class Socket:
    """A socket that connects to one server, whatever address it is given.

    Timeouts are seconds; ``None`` waits as long as it takes, and 0 does not block. A server gets what is sent before
    ``send`` returns, unless the route delays it.
    """

    def __init__(
        self,
        route: Route,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,  # noqa: A002 - as socket.socket has it
        proto: int = 0,
    ) -> None:
        self.family = socket.AddressFamily(family)
        self.type = socket.SocketKind(type)
        self.proto = proto
        self._route = route
        self._connection: Connection | None = None
        self._address: Any = None
        self._timeout = socket.getdefaulttimeout()
        self._options: dict[tuple[int, int], Any] = {}
        self._files = 0
        self._closed = False
        self._shut: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self._route.server.name}{', closed' if self._closed else ''}>"

    # -- connecting ----------------------------------------------------------------------------------------------------

    def connect(self, address: Any) -> None:
        """Raises ``ConnectionRefusedError`` or, after its timeout, ``TimeoutError``."""
        if self._closed:
            raise _error(OSError, errno.EBADF)
        if self._connection is not None:
            raise _error(OSError, errno.EISCONN)
        self._route.network.close_forgotten()
        try:
            self._connection = self._route.connect(self._timeout)
        except TimeoutError:
            if self._timeout is None:
                raise
            raise TimeoutError("timed out") from None  # as the module ``socket`` words its own timeouts
        self._route.network.hold(self._connection.file_number, self)
        self._address = address

    def connect_ex(self, address: Any) -> int:
        try:
            self.connect(address)
        except OSError as error:
            return error.errno or errno.EAGAIN
        return 0

    # -- sending -------------------------------------------------------------------------------------------------------

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Raises ``BrokenPipeError`` once the connection is broken."""
        connection = self._connected()
        if socket.SHUT_WR in self._shut:
            raise _error(BrokenPipeError, errno.EPIPE)
        if sent := bytes(data):
            connection.send_to_server(sent)

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        self.sendall(data)
        return memoryview(data).nbytes

    # -- receiving -----------------------------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Up to ``size`` bytes, or ``b""`` at the end of the stream.

        Raises ``TimeoutError`` after the socket's timeout, ``BlockingIOError`` at once or after ``SO_RCVTIMEO``,
        ``ConnectionResetError`` when the connection was reset.
        """
        connection = self._connection
        if connection is None or self._closed:
            connection = self._connected()
        if self._shut and socket.SHUT_RD in self._shut:
            return b""
        if not connection.readable:
            self._wait(connection)
        if connection.timed_out:
            raise _error(TimeoutError, errno.ETIMEDOUT)
        return _taken(connection, size, peek=flags != 0 and bool(flags & socket.MSG_PEEK))

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def _wait(self, connection: Connection) -> None:
        """Wait until something can be read."""
        option = self._options.get((socket.SOL_SOCKET, socket.SO_RCVTIMEO))
        seconds = self._timeout if self._timeout is not None else _seconds(option)
        if seconds == 0 or not connection.wait(None if seconds is None else grid_ns(seconds)):
            if self._timeout:
                raise TimeoutError("timed out")
            raise _error(BlockingIOError, errno.EAGAIN)

    def makefile(self, mode: str = "r", buffering: int | None = None, **text: Any) -> Any:
        """A file of what is received, or (``"w"``) sent; it outlives ``close``, as it does on a real socket."""
        return socket.socket.makefile(cast(socket.socket, self), mode, buffering, **text)  # type: ignore[call-overload]

    @property
    def _io_refs(self) -> int:
        """Counted by ``makefile``."""
        return self._files

    @_io_refs.setter
    def _io_refs(self, files: int) -> None:
        self._files = files

    def _decref_socketios(self) -> None:
        """Called when such a file is closed."""
        self._files = max(0, self._files - 1)
        if self._closed:
            self.close()

    # -- ending --------------------------------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        connection = self._connected()
        self._shut |= {how} if how != socket.SHUT_RDWR else {socket.SHUT_RD, socket.SHUT_WR}
        if self._shut >= {socket.SHUT_RD, socket.SHUT_WR}:
            connection.close()

    def close(self) -> None:
        self._closed = True
        if not self._files and self._connection is not None:
            self._connection.close()

    def detach(self) -> int:
        """Give the file number away; the connection stays open."""
        number, self._closed, self._connection = self.fileno(), True, None
        self._route.network.let_go(number)
        return number

    # -- what a client asks and sets -----------------------------------------------------------------------------------

    def fileno(self) -> int:
        """A number that ``Network.find`` and its pollers know; -1 for a socket that is closed or not connected yet."""
        if self._connection is None or (self._closed and not self._files):
            return -1
        return self._connection.file_number

    def settimeout(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> float | None:
        return self._timeout

    @property
    def timeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0

    def setsockopt(self, level: int, optname: int, value: Any, optlen: int | None = None) -> None:
        """Only ``SO_RCVTIMEO`` makes a difference; the others are there to be asked for."""
        self._options[level, optname] = value

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        return self._options.get((level, optname), b"\0" * buflen if buflen else 0)

    def getsockname(self) -> tuple[str, int]:
        number = 0 if self._connection is None else self._connection.file_number
        return _CLIENT_IP, _FIRST_PORT + number % _PORTS

    def getpeername(self) -> Any:
        self._connected()
        return self._address

    def get_inheritable(self) -> bool:
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        """Nothing is executed that could inherit it."""

    def _connected(self) -> Connection:
        if self._closed and not self._files:
            raise _error(OSError, errno.EBADF)
        if self._connection is None:
            raise _error(OSError, errno.ENOTCONN)
        return self._connection


def _taken(connection: Connection, size: int, *, peek: bool) -> bytes:
    """Up to ``size`` bytes of what has arrived."""
    inbox = connection.inbox
    if not inbox:
        if connection.was_reset:
            connection.was_reset = False  # the kernel reports an error once
            _reset()
        return b""
    data: bytes = inbox[0]
    if len(data) < size and len(inbox) > 1:
        data = b"".join(inbox)
        inbox.clear()
        inbox.append(data)
    if peek:
        return data[:size]
    if len(data) > size:
        inbox[0] = data[size:]
        return data[:size]
    inbox.popleft()
    return data


def _seconds(timeval: bytes | None) -> float | None:
    """``SO_RCVTIMEO`` in seconds; zero there means that there is none."""
    if timeval is None:
        return None
    seconds, microseconds = _TIMEVAL.unpack(timeval)
    return (seconds + microseconds / 1e6) or None


def _error(kind: type[OSError], number: int) -> OSError:
    """As the operating system words it."""
    return kind(number, os.strerror(number))


def _reset() -> NoReturn:
    raise _error(ConnectionResetError, errno.ECONNRESET)
