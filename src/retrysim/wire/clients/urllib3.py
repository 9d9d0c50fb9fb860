"""urllib3 1.26 and 2, and with it requests, botocore and most SDKs: the two ``connect`` methods of its connections."""

from __future__ import annotations

import ssl
from types import ModuleType
from typing import Any

from retrysim.undo import UndoStack
from retrysim.wire.broken import refused_error
from retrysim.wire.clients.http_client import Connection, dial, redirect
from retrysim.wire.dialer import Dialer


def patch(module: ModuleType, network: Dialer, undo: UndoStack) -> None:
    """Patch ``urllib3.connection``."""
    plain, secure = module.HTTPConnection, module.HTTPSConnection
    real_plain, real_secure, real_putrequest = plain.connect, secure.connect, plain.putrequest

    def refusal(connection: Connection) -> Exception:
        error: Exception = module.NewConnectionError(
            connection, f"Failed to establish a new connection: {refused_error()}"
        )
        return error

    def connect(self: Connection) -> None:
        if dial(self, network, refusal):
            self._has_connected_to_proxy = bool(self.proxy)
        else:
            real_plain(self)

    def connect_secure(self: Connection) -> None:
        if dial(self, network, refusal):
            self._has_connected_to_proxy = bool(self.proxy)
            self.is_verified = _would_be_verified(self, module)
        else:
            real_secure(self)

    def putrequest(self: Connection, method: str, url: str, *args: Any, **options: Any) -> None:
        redirect(self, url, network, refusal)
        real_putrequest(self, method, url, *args, **options)

    undo.set_attribute(plain, "connect", connect)
    undo.set_attribute(secure, "connect", connect_secure)
    undo.set_attribute(plain, "putrequest", putrequest)


def _would_be_verified(connection: Connection, module: ModuleType) -> bool:
    """Under ``verify=False`` urllib3 warns for each request, and so it does here."""
    asked = module.resolve_cert_reqs(connection.cert_reqs)
    return bool(asked == ssl.CERT_REQUIRED or connection.assert_fingerprint)
