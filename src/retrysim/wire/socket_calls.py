"""The calls of ``socket.socket`` and ``ssl.SSLSocket`` that few clients make, for a connection in memory.

Each does what it does on a connected TCP socket, or is refused as it is on one.
"""

from __future__ import annotations

import errno
import io
import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class _Stream(Protocol):
    def send(self, data: ReadableBuffer, flags: int = 0) -> int: ...
    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None: ...
    def recv(self, size: int, flags: int = 0) -> bytes: ...
    def recv_into(self, buffer: WriteableBuffer, size: int = 0, flags: int = 0) -> int: ...
    def fileno(self) -> int: ...
    def gettimeout(self) -> float | None: ...


class SocketCalls:
    """Goes before the calls that every client makes."""

    __slots__ = ()

    server_side = False
    session = None
    session_reused = False
    context = None

    # -- options: no kernel has them, so they are as a new socket's ----------------------------------------------------

    def getsockopt(self, level: int, option: int, buflen: int = 0) -> int | bytes:
        value = socket.SOCK_STREAM if (level, option) == (socket.SOL_SOCKET, socket.SO_TYPE) else 0
        return value.to_bytes(4, "little").ljust(buflen, b"\0")[:buflen] if buflen else int(value)

    def getblocking(self: _Stream) -> bool:
        return self.gettimeout() != 0

    @property
    def timeout(self: _Stream) -> float | None:
        return self.gettimeout()

    def get_inheritable(self) -> bool:
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        """No program that is started has any use for it."""

    # -- sending and receiving -----------------------------------------------------------------------------------------

    def sendmsg(self: _Stream, buffers: Iterable[ReadableBuffer], *_ancillary: Any) -> int:
        return self.send(b"".join(map(bytes, buffers)))

    def sendto(self: _Stream, data: ReadableBuffer, *_flags_and_address: Any) -> int:
        """A connected stream knows its address."""
        return self.send(data)

    def sendfile(self: _Stream, file: io.IOBase, offset: int = 0, count: int | None = None) -> int:
        if offset:
            file.seek(offset)
        data: bytes = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)

    def recvfrom(self: _Stream, size: int, flags: int = 0) -> tuple[bytes, None]:
        return self.recv(size, flags), None

    def recvfrom_into(self: _Stream, buffer: WriteableBuffer, size: int = 0, flags: int = 0) -> tuple[int, None]:
        return self.recv_into(buffer, size, flags), None

    def recvmsg(self: _Stream, size: int, _ancillary: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, None]:
        return self.recv(size, flags), [], 0, None

    def recvmsg_into(
        self: _Stream, buffers: Iterable[WriteableBuffer], _ancillary: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, None]:
        first = next(iter(buffers))
        return self.recv_into(first, 0, flags), [], 0, None

    # -- what a connected socket refuses -------------------------------------------------------------------------------

    def connect(self, address: Any) -> None:
        raise OSError(errno.EISCONN, os.strerror(errno.EISCONN))

    def connect_ex(self, address: Any) -> int:
        return errno.EISCONN

    def bind(self, address: Any) -> NoReturn:
        raise _invalid()

    def listen(self, backlog: int = 0) -> NoReturn:
        raise _invalid()

    def accept(self) -> NoReturn:
        raise _invalid()

    def sendmsg_afalg(self, *_args: Any, **_options: Any) -> NoReturn:
        raise _invalid()

    def dup(self) -> NoReturn:
        raise OSError(errno.EMFILE, "a connection in memory has one owner; it cannot be duplicated")

    def detach(self: _Stream) -> int:
        return self.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()  # type: ignore[attr-defined]

    # -- TLS -----------------------------------------------------------------------------------------------------------

    @property
    def server_hostname(self) -> str:
        host: str = self.origin.host  # type: ignore[attr-defined]
        return host

    def read(self: _Stream, size: int = 1024, buffer: Any = None) -> Any:
        return self.recv(size) if buffer is None else self.recv_into(buffer, size)

    def write(self: _Stream, data: ReadableBuffer) -> int:
        return self.send(data)

    def pending(self) -> int:
        return 0

    def do_handshake(self, block: bool = False) -> None:
        """It has been made."""

    def unwrap(self) -> Self:
        return self

    def compression(self) -> None:
        return None

    def selected_npn_protocol(self) -> None:
        return None

    def shared_ciphers(self) -> None:
        return None

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        return None

    def get_verified_chain(self) -> list[bytes]:
        return []

    def get_unverified_chain(self) -> list[bytes]:
        return []

    def verify_client_post_handshake(self) -> NoReturn:
        raise _invalid()


def _invalid() -> OSError:
    return OSError(errno.EINVAL, os.strerror(errno.EINVAL))
