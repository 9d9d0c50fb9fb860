"""The tracebacks of tasks: cheap to make, and without what is not in a real worker.

Remembered is what is computed anew for every frame of every retry and is the same each time: two thirds of its cost.
Celery stores the text of a traceback with each RETRY, and billiard keeps a copy of its frames. billiard lists all code
positions of a frame's code (for ``trace_task`` alone some 2300 tuples); ``traceback`` counts through them to find one
(since Python 3.11), and parses the source line to place its carets. All three are pure functions of a code object or
a line.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

from billiard import einfo

from retrysim.undo import UndoStack

#: How many source lines are remembered; a traceback of Celery has some ten.
_LINES = 4096
#: A frame of this package, with its source lines: what stands in for ``time.sleep``, for a socket, ...
_OURS = re.compile(rf'^  File "{re.escape(str(Path(__file__).parents[1]))}[/\\\\].*\n(?:    .*\n)*', re.MULTILINE)


def leave_our_frames_out(undo: UndoStack) -> None:
    """Let billiard's texts of tracebacks have no frames of this package, until ``undo`` is unwound.

    Where a real worker waits, it has none. Results, events, the trace and ``on_failure`` have these texts.
    """
    undo.set_attribute(einfo, "traceback", SimpleNamespace(format_exception=_formatted))


def _formatted(*exc_info: Any) -> list[str]:
    return [_OURS.sub("", "".join(traceback.format_exception(*exc_info)))]


def remember_code_positions(undo: UndoStack) -> None:
    """Let ``billiard.einfo`` and ``traceback`` compute each of these once, until ``undo`` is unwound."""
    undo.set_attribute(einfo._Frame, "Code", staticmethod(_remembered(einfo._Code)))
    for name, remember in (
        ("_get_code_position", _remembered),
        ("_extract_caret_anchors_from_line_segment", lru_cache(_LINES)),
    ):
        if hasattr(traceback, name):
            undo.set_attribute(traceback, name, remember(getattr(traceback, name)))


def _remembered(compute: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its results kept, by the identity of the code object: comparing two compares their contents."""
    kept: dict[tuple[int, tuple[int, ...]], tuple[CodeType, Any]] = {}

    def remembered(code: CodeType, *numbers: int) -> Any:
        key = (id(code), numbers)
        found = kept.get(key)
        if found is None:
            found = kept[key] = (code, compute(code, *numbers))  # the code is kept, too, so that its id stays its own
        return found[1]

    return remembered
