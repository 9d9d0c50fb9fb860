"""Remembers what billiard lists anew for every frame of every retry: all code positions of the frame's code.

For ``trace_task`` alone these are some 2300 tuples, half of the time of a retried attempt. The data are the same for
the same code object, so one copy serves all tracebacks.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

from billiard import einfo

from retrysim.patches import UndoStack


def remember_code_positions(undo: UndoStack) -> None:
    """Let ``billiard.einfo`` describe each code object once."""
    undo.set_attribute(einfo._Frame, "Code", staticmethod(_remembering(einfo._Code)))


def _remembering(describe: Callable[[CodeType], Any]) -> Callable[[CodeType], Any]:
    described: dict[int, tuple[CodeType, Any]] = {}  # by identity: comparing code objects compares their contents

    def code(original: CodeType) -> Any:
        found = described.get(id(original))
        if found is None:
            found = described[id(original)] = (original, describe(original))
        return found[1]

    return code
