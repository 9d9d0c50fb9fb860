"""Where in the user's code something happens: the innermost line that is neither ours nor the standard library's."""

from __future__ import annotations

import linecache
import os
import queue
import sys
import sysconfig
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, ModuleType

from retrysim.patches.asking_nothing import names_of, text_of

_OURS = str(Path(__file__).parents[1])
_STANDARD = sysconfig.get_path("stdlib")
#: What a command such as ``pytest`` begins in.
_SCRIPTS = sysconfig.get_path("scripts") + os.sep
_MAKERS = (threading.__file__, queue.__file__, str(Path(__file__).with_name("locks.py")), __file__)
_INSTALLED = "site-packages"


def call_site(frame: FrameType | None = None) -> str:
    """``app.py:12: with LOCK:``, of the caller or of the frame at which a suspended one stands.

    The line of an installed library is given only where no line of the project led there: that of the innermost
    library but one, which called it.
    """
    return site_in(outwards(frame or sys._getframe(1)))


def site_in(frames: Sequence[FrameType]) -> str:
    """The call site among these frames, of which the innermost comes first."""
    foreign = [frame for frame in frames if not _is_ours_or_standard(frame)]
    own = [frame for frame in foreign if _INSTALLED not in frame.f_code.co_filename]
    callers = [frame for frame in foreign if _package_of(frame) != _package_of(foreign[0])]
    return _text_of((own or callers or foreign or [frame for frame in frames if not is_ours(frame)] or frames)[0])


def place_of(frame: FrameType | None) -> str:
    """``app.py:12``: the nearest line outwards that is not of ``threading`` or ``queue``; found quickly."""
    while frame is not None and frame.f_code.co_filename in _MAKERS:
        frame = frame.f_back
    return "?" if frame is None else f"{frame.f_code.co_filename.rpartition(os.sep)[2]}:{frame.f_lineno}"


def library_call_in(frames: Sequence[FrameType]) -> str:
    """``queue.Queue.get``: what of the standard library the user's code has called; ``""`` if nothing."""
    called = ""
    for frame in frames:
        if not _is_ours_or_standard(frame):
            break
        if not is_ours(frame):
            called = f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}"
    return called


def is_installed(module: ModuleType) -> bool:
    """Whether a module is the standard library's or an installed package's, not a file of the project."""
    return is_installed_file(text_of(names_of(module).get("__file__")))


def is_installed_file(file: str) -> bool:
    """The same, of the module's file (``""``: it has none)."""
    return not file or file.startswith(_STANDARD) or _INSTALLED in file


def is_importing() -> bool:
    """Whether a module is being imported by whoever calls."""
    return any(
        frame.f_code.co_name == "_find_and_load" and frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        for frame in outwards(sys._getframe(1))
    )


def module_of_caller() -> str:
    """The name of the innermost module that is neither ours nor the standard library's; ``""`` if there is none."""
    for frame in outwards(sys._getframe(1)):
        if not _is_ours_or_standard(frame):
            return str(frame.f_globals.get("__name__", ""))
    return ""


def outwards(frame: FrameType | None) -> list[FrameType]:
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_OURS)


def _is_ours_or_standard(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith((_OURS, _SCRIPTS, "<")) or (file.startswith(_STANDARD) and _INSTALLED not in file)


def _package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _text_of(frame: FrameType) -> str:
    file, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, line).strip()
    return f"{Path(file).name}:{line}" + (f": {source}" if source else "")
