"""Frees the stacks of processes that were killed, without running another line of them.

A suspended greenlet runs its ``finally`` blocks, its ``except`` clauses and the ends of its ``with`` statements when it
is collected, and so does a suspended generator or coroutine that it leaves behind. A killed process runs none of them.
CPython finds these blocks in one table of each code object (``co_exceptiontable``, since 3.11). So the tables are
emptied while an exception unwinds the stacks and the collector takes what they held; then the tables are put back.
Finalizers (``__del__``, weak references) run as usual.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from retrysim.undo import UndoStack

_OURS = str(Path(__file__).parents[1])
_STANDARD_LIBRARY = sysconfig.get_path("stdlib")
#: What the interpreter itself has frozen (3.12: some hundreds of objects).
_FROZEN = gc.get_freeze_count()
#: An exception table in which nothing is found.
_EMPTY = b""
#: What can be suspended: how to get its frame, and whether it runs.
_SUSPENDABLE: dict[type, tuple[str, str]] = {
    GeneratorType: ("gi_frame", "gi_running"),
    CoroutineType: ("cr_frame", "cr_running"),
    AsyncGeneratorType: ("ag_frame", "ag_running"),
}


def _offset_of_the_table() -> int | None:
    """Where in a code object the pointer to its exception table is; ``None`` if nowhere."""
    code = _offset_of_the_table.__code__
    wanted = id(code.co_exceptiontable)
    places = range(object.__basicsize__, CodeType.__basicsize__, ctypes.sizeof(ctypes.c_void_p))
    return next((place for place in places if _pointer(code, place).value == wanted), None)


def _pointer(code: CodeType, place: int) -> ctypes.c_void_p:
    return ctypes.c_void_p.from_address(id(code) + place)


_TABLE = _offset_of_the_table()


def set_aside_what_exists(undo: UndoStack) -> None:
    """Let the collector look at nothing that exists already, until ``undo`` is unwound.

    So what a killed process leaves is found among the simulation's own objects, and not in the whole of a test session.
    Whoever has called ``gc.freeze`` has set it aside already, and ``gc.unfreeze`` would undo that.
    """
    if gc.get_freeze_count() <= _FROZEN:
        undo.then(gc.unfreeze)
        gc.freeze()


def free_stacks(killed: Iterable[greenlet]) -> list[greenlet]:
    """Free the stacks of suspended greenlets of this thread; returns those that could not be freed, and stay.

    Those stay that wait inside a ``__del__`` (the interpreter would swallow the exception and go on), and those that
    are in a ``try`` or ``with`` of a function, outside the standard library, in which another thread is just now.
    """
    suspended = [one for one in killed if one and one.gr_frame is not None]
    elsewhere = _codes_of_other_threads()
    stay = [one for one in suspended if not _can_be_freed(one, elsewhere)]
    dead = [one for one in suspended if one not in stay]
    codes = {frame.f_code for one in dead for frame in _frames_of(one)}
    only_ours = all(code.co_filename.startswith(_OURS) for code in codes)
    if not only_ours:
        codes |= set(_suspended_codes())
    if dead:
        with _nothing_is_said(), _without_handlers(codes - elsewhere):
            for one in dead:
                one.parent = getcurrent()
                one.throw(GreenletExit)
            if not only_ours:
                gc.collect()  # now, and not when the tables are back: what is in a cycle may be a generator
    return stay


def _can_be_freed(one: greenlet, elsewhere: set[CodeType]) -> bool:
    codes = [frame.f_code for frame in _frames_of(one)]
    shared = (code for code in codes if code in elsewhere and not code.co_filename.startswith(_STANDARD_LIBRARY))
    runs_more = any(code.co_exceptiontable for code in shared)
    return _TABLE is not None and not runs_more and all(code.co_name != "__del__" for code in codes)


def _frames_of(one: Any) -> Iterator[FrameType]:
    yield from _outwards(one.gr_frame)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _codes_of_other_threads() -> set[CodeType]:
    stacks = (frame for ident, frame in sys._current_frames().items() if ident != get_ident())
    return {frame.f_code for innermost in stacks for frame in _outwards(innermost)}


def _suspended_codes() -> Iterator[CodeType]:
    """The code of everything that is suspended, whoever's it is: what belongs to the dead is known to none but them."""
    for found in gc.get_objects():
        kind = type(found)
        if kind in _SUSPENDABLE:
            frame_name, running = _SUSPENDABLE[kind]
            frame = getattr(found, frame_name)
            if frame is not None and not getattr(found, running):
                yield frame.f_code
        elif issubclass(kind, greenlet) and found.gr_frame is not None:
            yield from (frame.f_code for frame in _frames_of(found))


@contextmanager
def _without_handlers(codes: Iterable[CodeType]) -> Iterator[None]:
    """Let no exception be caught, and no ``finally`` block run, by these code objects."""
    assert _TABLE is not None
    emptied = [(_pointer(code, _TABLE), code.co_exceptiontable) for code in codes]
    for pointer, _ in emptied:
        pointer.value = id(_EMPTY)
    try:
        yield
    finally:
        for pointer, table in emptied:
            pointer.value = id(table)


@contextmanager
def _nothing_is_said() -> Iterator[None]:
    """No warning, no log line: who is collected says that it was never awaited, closed or ended."""
    with UndoStack() as undo, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        undo.set_attribute(sys, "unraisablehook", _ignore)
        undo.callback(logging.disable, logging.root.manager.disable)
        logging.disable()
        yield


def _ignore(_unraisable: object) -> None:
    pass
