"""httplib2, and with it google-api-python-client: its connections are http.client's with a ``connect`` of their own."""

from __future__ import annotations

from types import ModuleType

from retrysim.undo import UndoStack
from retrysim.wire.clients.http_client import lead_connect
from retrysim.wire.dialer import Dialer


def patch(module: ModuleType, network: Dialer, undo: UndoStack) -> None:
    """Patch ``httplib2``; a proxy that it would go through is passed by, because its connections name the origin."""
    lead_connect(module.HTTPConnectionWithTimeout, network, undo)
    lead_connect(module.HTTPSConnectionWithTimeout, network, undo)
