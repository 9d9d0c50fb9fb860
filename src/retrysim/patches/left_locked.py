"""Releases the locks that the processes of a simulation hold when it ends, where no stand-in knows its holder.

Who is in a ``with`` statement has the ``__exit__`` of the lock on the stack of its frame, below the depth that the
code's exception table has for the line. So a lock of a library, or one that no name leads to, is found. The layout of
the frame is that of CPython 3.11 to 3.13; elsewhere nothing is read.
"""

from __future__ import annotations

import ctypes
import sys
from _thread import LockType, RLock
from collections.abc import Iterator, Sequence
from contextlib import _GeneratorContextManager, suppress
from dis import _parse_exception_table  # type: ignore[attr-defined]
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MethodType
from typing import Any

from retrysim.kernel import Process
from retrysim.patches.locks import Lock
from retrysim.patches.places import outwards

_WORD = ctypes.sizeof(ctypes.c_void_p)
#: In the interpreter's frame, its variables come after fewer words than these.
_WORDS = 16
_OF_STAND_INS = {member.__code__ for member in vars(Lock).values() if type(member) is FunctionType}


def release_what_is_left_locked(processes: Sequence[Process]) -> None:
    """Release the interpreter's own locks that these processes, which never run again, hold."""
    for process in processes:
        for frame in [frame for stack in process.stacks for frame in outwards(stack.gr_frame)]:
            for lock in (*_inside(frame), *(_half_taken(frame) if process.anywhere else ())):
                with suppress(RuntimeError):  # the body has released it itself
                    lock.release()


def _half_taken(frame: FrameType) -> Iterator[Any]:
    """The stand-in that a signal from outside found between taking it and noting who has."""
    stand_in = frame.f_locals["self"] if frame.f_code in _OF_STAND_INS else None
    if stand_in is not None and stand_in.holder is None and stand_in.locked():
        yield stand_in


def _inside(frame: FrameType | None) -> Iterator[Any]:
    """The locks in whose ``with`` statements a suspended frame is."""
    for value in () if frame is None else _below_the_handlers(frame):
        kind = type(value)
        if kind is BuiltinMethodType and type(value.__self__) in (LockType, RLock):
            yield value.__self__
        elif kind is MethodType and type(value.__self__) is _GeneratorContextManager:
            generator: Any = value.__self__.gen
            yield from _inside(generator.gi_frame)


def _below_the_handlers(frame: FrameType) -> Iterator[Any]:
    """What stays on the frame's stack where an exception is caught in the line at which it stands."""
    code, at = frame.f_code, frame.f_lasti
    entries = _parse_exception_table(code) if code.co_exceptiontable and _VARIABLES is not None else ()
    depth = next((entry.depth for entry in entries if entry.start <= at < entry.end), 0)
    first = _address_of(frame) + ((_VARIABLES or 0) + _variables_of(code)) * _WORD
    for number in range(depth):
        reference = _word_at(first + number * _WORD)
        if reference:
            yield ctypes.cast(reference, ctypes.py_object).value


def _variables_of(code: CodeType) -> int:
    """How many words its variables take; a parameter that is a cell takes one."""
    cells = [name for name in code.co_cellvars if name not in code.co_varnames]
    return len(code.co_varnames) + len(cells) + len(code.co_freevars)


def _address_of(frame: FrameType) -> int:
    """Of the interpreter's own frame: its pointer comes after the object's head and the frame around it."""
    return _word_at(id(frame) + object.__basicsize__ + _WORD)


def _word_at(address: int) -> int:
    return ctypes.c_size_t.from_address(address).value


def _words_before_the_variables() -> int | None:
    """How many words the interpreter's frame has before its variables; ``None`` if that cannot be found."""
    probe = object()
    address, wanted = _address_of(sys._getframe()), id(probe)
    words = (_word_at(address + number * _WORD) for number in range(_WORDS))
    return next((number for number, word in enumerate(words) if word == wanted), None)


_IS_KNOWN = sys.implementation.name == "cpython" and sys.version_info < (3, 14)
_VARIABLES = _words_before_the_variables() if _IS_KNOWN else None
