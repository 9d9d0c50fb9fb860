"""httpcore and httpcore2, and with them httpx and the SDKs on it: the place where their pools make connections.

A pool that is asked for a connection to a served origin gets httpcore's own, on a network backend in memory. Proxy
pools make their connections in the same place, so a proxy is passed by.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

from retrysim.undo import UndoStack
from retrysim.wire.clients.httpcore_streams import AsyncBackend, NoEncryption, SyncBackend
from retrysim.wire.dialer import Dialer
from retrysim.wire.origin import Origin, make_origin

_POOLS = ("ConnectionPool", "HTTPProxy", "SOCKSProxy")


def patch(module: ModuleType, network: Dialer, undo: UndoStack) -> None:
    """Patch the pools of ``httpcore`` or ``httpcore2``, the synchronous and the asynchronous."""
    led = type("HTTPConnection", (module.HTTPConnection,), {})
    async_led = type("AsyncHTTPConnection", (module.AsyncHTTPConnection,), {})
    for name in _POOLS:
        _lead_pool(getattr(module, name), led, partial(SyncBackend, module, network), network, undo)
        async_backend = partial(AsyncBackend, module, network)
        _lead_pool(getattr(module, f"Async{name}"), async_led, async_backend, network, undo)
    _drop_outdated(module.ConnectionPool, led, network, undo)
    _drop_outdated_async(module.AsyncConnectionPool, async_led, network, undo)


def _lead_pool(pool: Any, led: Any, backend: Any, network: Dialer, undo: UndoStack) -> None:
    """``create_connection`` of a class of pools; the one for SOCKS has none where its dependency is missing.

    A pool on a Unix socket leads to no host, whatever its URLs say.
    """
    if "create_connection" not in vars(pool):
        return
    real = pool.create_connection

    def create_connection(self: Any, origin: Any) -> Any:
        if getattr(self, "_uds", None) is None and network.serves(plain := _plain(origin)):
            return led(origin=origin, network_backend=backend(plain), ssl_context=NoEncryption())
        return real(self, origin)

    undo.set_attribute(pool, "create_connection", create_connection)


def _drop_outdated(pool: Any, led: Any, network: Dialer, undo: UndoStack) -> None:
    real = pool.handle_request

    def handle_request(self: Any, request: Any) -> Any:
        for connection in _outdated(self, request.url.origin, led, network):
            connection.close()
        return real(self, request)

    undo.set_attribute(pool, "handle_request", handle_request)


def _drop_outdated_async(pool: Any, led: Any, network: Dialer, undo: UndoStack) -> None:
    real = pool.handle_async_request

    async def handle_async_request(self: Any, request: Any) -> Any:
        for connection in _outdated(self, request.url.origin, led, network):
            await connection.aclose()
        return await real(self, request)

    undo.set_attribute(pool, "handle_async_request", handle_async_request)


def _outdated(pool: Any, origin: Any, led: Any, network: Dialer) -> list[Any]:
    """The pool's idle connections to a served origin that were opened before the installation."""
    return [
        connection
        for connection in pool.connections
        if not isinstance(connection, led)
        and connection.can_handle_request(origin)
        and connection.is_idle()
        and network.serves(_plain(origin))
    ]


def _plain(origin: Any) -> Origin:
    return make_origin(origin.scheme.decode("ascii"), origin.host.decode("ascii"), origin.port)
