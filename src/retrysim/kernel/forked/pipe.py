"""One end of the pair of sockets between a child and its parent: carries one message at a time, pickled."""

from __future__ import annotations

import pickle
import socket
import struct
from os import close, read, write
from typing import Any

_LENGTH = struct.Struct("!Q")
_AT_ONCE = 1 << 16
_CLOSED = -1


class Pipe:
    """Sends and receives messages. Raises ``EOFError`` when the other end is gone."""

    def __init__(self, file: int) -> None:
        self.file = file

    @staticmethod
    def pair() -> tuple[Pipe, Pipe]:
        """Two ends of one line; a program that is executed inherits neither."""
        one, other = socket.socketpair()
        for end in (one, other):
            end.setblocking(True)  # whatever socket.setdefaulttimeout says
        return Pipe(one.detach()), Pipe(other.detach())

    def send(self, message: Any) -> None:
        """Send one message. Raises what ``pickle`` raises for a message that cannot be sent; nothing is sent then."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        left = memoryview(_LENGTH.pack(len(data)) + data)
        try:
            while left:
                left = left[write(self.file, left) :]
        except (BrokenPipeError, ConnectionResetError):
            raise EOFError from None

    def receive(self) -> Any:
        """The next message; blocks until it is there."""
        data = self._read()
        while len(data) < _LENGTH.size:
            data += self._read()
        (length,) = _LENGTH.unpack_from(data)
        parts, have = [data[_LENGTH.size :]], len(data) - _LENGTH.size
        while have < length:
            parts.append(self._read())
            have += len(parts[-1])
        return pickle.loads(b"".join(parts) if len(parts) > 1 else parts[0])

    def _read(self) -> bytes:
        try:
            data = read(self.file, _AT_ONCE)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        return data

    def close(self) -> None:
        """Close this end; a second time does nothing."""
        if self.file != _CLOSED:
            file, self.file = self.file, _CLOSED
            close(file)


def is_portable(value: object) -> bool:
    """Whether the value can be sent, and read at the other end."""
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:
        return False
    return True


def portable(error: BaseException) -> BaseException:
    """The error, or one that says the same, if that cannot be pickled; without its traceback either way."""
    return error if is_portable(error) else RuntimeError(f"{type(error).__name__}: {error}")
