"""Collects what stands in for functions of the standard library, and puts it wherever somebody has kept the real one.

``from os import fork`` keeps it under a name of its own, before the simulation (which ours must reach) or during it
(which the real one must reach again afterwards).
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType
from typing import Any

from retrysim.patches.references import replace_references, restore_references_of_new_modules
from retrysim.undo import UndoStack


class StandIns:
    """The stand-ins of one simulation, until ``undo`` is unwound."""

    def __init__(self, undo: UndoStack) -> None:
        self.undo = undo
        self._by_real: dict[Any, object] = {}

    def put(self, owner: Any, name: str, ours: object) -> None:
        """Let ``owner.name`` (of a module or a class) be ours, here and wherever it was kept."""
        real = getattr(owner, name)
        ours = as_builtin(ours) if isinstance(real, BuiltinFunctionType | type) else ours
        ours = self._by_real.setdefault(real, ours)  # one, for what two modules hold
        self.undo.set_attribute(owner, name, ours)

    def spread(self) -> None:
        """Go through the modules: to be called once, when all is put."""
        replace_references(self.undo, self._by_real)
        restore_references_of_new_modules(self.undo, self._by_real)


def as_builtin(ours: object) -> object:
    """In the place of a function in C, which a class does not bind to its objects: ``class Clock: now = time.time``."""
    return staticmethod(ours) if isinstance(ours, FunctionType) else ours
