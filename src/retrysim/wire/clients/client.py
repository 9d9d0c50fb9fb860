"""The protocol of a client library's patch."""

from __future__ import annotations

from types import ModuleType
from typing import Protocol

from retrysim.undo import UndoStack
from retrysim.wire.dialer import Dialer


class Patch(Protocol):
    """Replaces, in one freshly or formerly imported module, what opens connections."""

    def __call__(self, module: ModuleType, network: Dialer, undo: UndoStack) -> None: ...
