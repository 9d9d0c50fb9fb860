"""The protocol of a client library's patch."""

from __future__ import annotations

from types import ModuleType
from typing import Protocol

from retrysim.undo import UndoStack
from retrysim.wire.network import Network


class Patch(Protocol):
    """Replaces, in one freshly or formerly imported module, what opens connections."""

    def __call__(self, module: ModuleType, network: Network, undo: UndoStack) -> None: ...
