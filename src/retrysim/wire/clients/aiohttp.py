"""aiohttp: the one method of its TCP connector that opens connections, and the one that hands them out."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from retrysim.undo import UndoStack
from retrysim.wire.broken import refused_error
from retrysim.wire.dialer import Dialer
from retrysim.wire.memory_transport import MemoryTransport
from retrysim.wire.origin import Origin, make_origin


def patch(module: ModuleType, network: Dialer, undo: UndoStack) -> None:
    """Patch ``aiohttp.connector``. A proxy is passed by."""
    connector = module.TCPConnector
    real_create, real_connect = connector._create_connection, connector.connect

    async def _create_connection(self: Any, req: Any, traces: Any, timeout: Any) -> Any:
        conversation = network.converse(_origin(req))
        if conversation is None:
            return await real_create(self, req, traces, timeout)

        def refusal() -> Exception:
            error: Exception = module.ClientConnectorError(req.connection_key, refused_error())
            return error

        line = network.line(_origin(req), refusal)
        protocol = self._factory()
        protocol.connection_made(MemoryTransport(protocol, conversation, network.lifeline, refusal, line))
        return protocol

    async def connect(self: Any, req: Any, traces: Any, timeout: Any) -> Any:
        """A connection from the pool or a new one; not one that was opened before the installation."""
        connection = await real_connect(self, req, traces, timeout)
        while _is_outdated(connection, req, network):
            connection.close()
            connection = await real_connect(self, req, traces, timeout)
        return connection

    undo.set_attribute(connector, "_create_connection", _create_connection)
    undo.set_attribute(connector, "connect", connect)


def _is_outdated(connection: Any, req: Any, network: Dialer) -> bool:
    return not isinstance(connection.transport, MemoryTransport) and network.serves(_origin(req))


def _origin(req: Any) -> Origin:
    return make_origin("https" if req.is_ssl() else "http", req.url.raw_host, req.url.port)
