"""http.client of the standard library, and with it urllib.request: ``connect`` and ``putrequest``.

``connect`` is where a connection is opened. ``putrequest`` is the first to see the target of a request, so it is
where a request that goes to a plain HTTP proxy shows its real origin, and where a connection that was opened before
the installation is found out. urllib3 inherits ``putrequest`` from here.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import ModuleType
from typing import Any

from retrysim.undo import UndoStack
from retrysim.wire.broken import refused_error
from retrysim.wire.dialer import Dialer
from retrysim.wire.memory_socket import MemorySocket
from retrysim.wire.origin import Origin, make_origin, origin_of_url

#: A connection object of http.client, or of a library that builds on it (urllib3, httplib2).
Connection = Any
#: What the library raises on a connection whose peer refuses it.
Refusal = Callable[[Connection], Exception]
_HTTPS_PORT = 443


def _refusal(connection: Connection) -> Exception:
    return refused_error()


def patch(module: ModuleType, network: Dialer, undo: UndoStack) -> None:
    """Patch ``http.client``."""
    lead_connect(module.HTTPConnection, network, undo)
    lead_connect(module.HTTPSConnection, network, undo)
    putrequest = _putrequest(module.HTTPConnection.putrequest, network)
    undo.set_attribute(module.HTTPConnection, "putrequest", putrequest)


def lead_connect(cls: Any, network: Dialer, undo: UndoStack) -> None:
    """``connect`` of a class of connections: in memory if the origin is served, else as before."""
    real = cls.connect

    def connect(self: Connection) -> None:
        if not dial(self, network):
            real(self)

    undo.set_attribute(cls, "connect", connect)


def _putrequest(real: Callable[..., None], network: Dialer) -> Callable[..., None]:
    def putrequest(self: Connection, method: str, url: str, *args: Any, **options: Any) -> None:
        redirect(self, url, network)
        real(self, method, url, *args, **options)

    return putrequest


def dial(connection: Connection, network: Dialer, refusal: Refusal = _refusal) -> bool:
    """Connect in memory if the connection's origin is served: was it?"""
    return _attach(connection, origin_of(connection), network, refusal)


def redirect(connection: Connection, url: str, network: Dialer, refusal: Refusal = _refusal) -> None:
    """Make sure that the request for ``url``, just before it is written, leaves through the right socket."""
    current = connection.sock
    if (target := origin_of_url(url)) is not None:
        _lead_past_proxy(connection, target, network, refusal)
    elif is_real(current) and _attach(connection, origin_of(connection), network, refusal):
        current.close()


def _lead_past_proxy(connection: Connection, target: Origin, network: Dialer, refusal: Refusal) -> None:
    """A proxy is sent whole URLs, of any origin, through one connection; those of served origins never get there."""
    current = connection.sock
    in_memory = isinstance(current, MemorySocket)
    if in_memory and current.origin == target and current.is_usable:
        return
    if not _attach(connection, target, network, refusal):
        if not in_memory or current.origin == origin_of(connection):
            return
        connection.sock = None  # it led past the proxy, to another origin: http.client connects anew
    if current is not None:
        current.close()


def _attach(connection: Connection, origin: Origin, network: Dialer, refusal: Refusal) -> bool:
    line = network.dial(origin, timeout=timeout_of(connection), refused=lambda: refusal(connection))
    if line is None:
        return False
    connection.sock = line
    return True


def origin_of(connection: Connection) -> Origin:
    """Where the connection leads; through a proxy's tunnel, to the tunnel's other end."""
    scheme = "https" if connection.default_port == _HTTPS_PORT else "http"
    if tunnel := getattr(connection, "_tunnel_host", None):
        return make_origin(scheme, tunnel, connection._tunnel_port)
    return make_origin(scheme, connection.host, connection.port)


def timeout_of(connection: Connection) -> float | None:
    """The connection's timeout in seconds; the libraries' marks for "not given" mean the socket module's default."""
    timeout = connection.timeout
    if timeout is None or isinstance(timeout, int | float):
        return timeout
    return socket.getdefaulttimeout()


def is_real(sock: object) -> bool:
    """Is it a socket to another machine, as opposed to none, to one of ours, or to a Unix socket's file?"""
    return getattr(sock, "family", None) in (socket.AF_INET, socket.AF_INET6) and not isinstance(sock, MemorySocket)
