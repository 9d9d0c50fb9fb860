"""Network backends and streams in memory, in the shape that httpcore's pools work on; they raise httpcore's errors."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Self

from retrysim.wire.broken import refused_error
from retrysim.wire.dialer import Dialer
from retrysim.wire.memory_socket import MemorySocket
from retrysim.wire.origin import Origin


class NoEncryption:
    """Stands in for an SSL context: a stream in memory "starts TLS" by doing nothing."""

    def set_alpn_protocols(self, protocols: list[str]) -> None:
        """There is no handshake in which they could be offered; HTTP/1.1 is spoken."""


class _Stream:
    """What the synchronous and the asynchronous stream have in common."""

    def __init__(self, module: ModuleType, sock: MemorySocket) -> None:
        self._errors = module
        self._socket = sock

    @contextmanager
    def _mapped(self, timeout: type[Exception], broken: type[Exception]) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise timeout(str(error)) from error
        except OSError as error:
            raise broken(str(error)) from error

    def _write(self, data: bytes) -> None:
        with self._mapped(self._errors.WriteTimeout, self._errors.WriteError):
            self._socket.sendall(data)

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "is_readable":
                return self._socket.is_readable
            case "ssl_object":
                return self._socket if self._socket.origin.scheme == "https" else None
            case "server_addr":
                return self._socket.getpeername()
            case "client_addr":
                return self._socket.getsockname()
            case "socket":
                return self._socket
        return None


class _SyncStream(_Stream):
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self._mapped(self._errors.ReadTimeout, self._errors.ReadError):
            self._socket.settimeout(timeout)
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._write(buffer)

    def close(self) -> None:
        self._socket.close()

    def start_tls(self, ssl_context: object, server_hostname: object = None, timeout: float | None = None) -> Self:
        return self


class _AsyncStream(_Stream):
    """It belongs to the event loop of asyncio that it was opened in: what it sends after that is closed arrives, and
    the answer is never read (anyio 4 on CPython 3.11, a client that is kept across two ``asyncio.run``)."""

    def __init__(self, module: ModuleType, sock: MemorySocket) -> None:
        super().__init__(module, sock)
        self._loop = None if _in_trio() else asyncio.get_running_loop()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._loop is not None and self._loop.is_closed():
            raise RuntimeError("Event loop is closed")
        with self._mapped(self._errors.ReadTimeout, self._errors.ReadError):
            self._socket.settimeout(timeout)
            waited = 0.0
            while (pause := self._socket.pause(waited)) is not None:
                await _sleep(pause.seconds)
                if pause.timed_out:
                    raise self._socket.timeout_error()
                waited += pause.seconds or 0.0
            return self._socket.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._write(buffer)

    async def aclose(self) -> None:
        self._socket.close()

    async def start_tls(
        self, ssl_context: object, server_hostname: object = None, timeout: float | None = None
    ) -> Self:
        return self


async def _sleep(seconds: float | None) -> None:
    """Under asyncio or trio, whichever runs; ``None`` sleeps until it is cancelled."""
    if _in_trio():
        await sys.modules["trio"].sleep(math.inf if seconds is None else seconds)
    elif seconds is None:
        await asyncio.get_running_loop().create_future()
    else:
        await asyncio.sleep(seconds)


def _in_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


class _Backend:
    """Opens streams to one origin, whatever address it is asked for."""

    def __init__(self, module: ModuleType, network: Dialer, origin: Origin) -> None:
        self._module = module
        self._network = network
        self._origin = origin

    def _dial(self) -> MemorySocket:
        line = self._network.dial(self._origin, timeout=None, refused=self._refusal)
        if line is None:
            raise self._refusal()
        return line

    def _refusal(self) -> Exception:
        error: Exception = self._module.ConnectError(str(refused_error()))
        return error


class SyncBackend(_Backend):
    """For ``httpcore.HTTPConnection``."""

    def connect_tcp(self, *address: Any, **options: Any) -> _SyncStream:
        return _SyncStream(self._module, self._dial())

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class AsyncBackend(_Backend):
    """For ``httpcore.AsyncHTTPConnection``, under asyncio and trio."""

    async def connect_tcp(self, *address: Any, **options: Any) -> _AsyncStream:
        return _AsyncStream(self._module, self._dial())

    async def sleep(self, seconds: float) -> None:
        await _sleep(seconds)
