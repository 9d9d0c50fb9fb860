"""Attributes that were replaced, and the way back: in reverse order, also when one of the steps fails."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any


class Replacements:
    """Replaces attributes of classes and modules until ``undo``."""

    __slots__ = ("_stack",)

    def __init__(self) -> None:
        self._stack = ExitStack()

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Set ``owner.name``. What ``owner`` only inherited is deleted again, not copied, when this is undone."""
        if name in vars(owner):
            self._stack.callback(setattr, owner, name, vars(owner)[name])
        else:
            self._stack.callback(delattr, owner, name)
        setattr(owner, name, value)

    def undo(self) -> None:
        self._stack.close()
