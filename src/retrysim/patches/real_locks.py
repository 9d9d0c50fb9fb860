"""Ends a run that blocks for real, on a lock of the interpreter's own that no name led to, by a ``Deadlock``.

The same thread looks after a task that computes forever (``computing.py``).

Such a lock blocks the one thread on which all tasks run: if a suspended task holds it, forever. A thread of ours looks
whether that thread stands still, and sends it a signal, whose handler runs inside of the acquire, on the stack of the
task. Whether it stands there is read from the instruction: a task that computes, or waits for a real socket, goes on.
"""

from __future__ import annotations

import _thread
import ast
import linecache
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from dis import opname
from types import FrameType
from typing import Any

from retrysim.errors import Deadlock
from retrysim.kernel import Environment
from retrysim.patches.computing import Computing
from retrysim.patches.places import is_ours
from retrysim.patches.reality import THREADS, Reality
from retrysim.patches.standing import standing_at, standing_of
from retrysim.undo import UndoStack

#: How often the thread is looked at, in real seconds, and how many looks in a row must find it at the same place.
PERIOD, LOOKS = 0.5, 10
#: Ignored by a process that has no handler for it.
_SIGNAL = getattr(signal, "SIGURG", None)
_RealQueue = queue.SimpleQueue
#: The real ones: a process of the machine calls this where others stand in for them.
_set_handler, _start_thread, _real_ident = signal.signal, _thread.start_new_thread, _thread.get_ident


def end_what_blocks_for_real(undo: UndoStack, environment: Environment, reality: Reality) -> None:
    """Look after the simulation's thread until ``undo`` is unwound; signals reach the main thread only."""
    if threading.get_ident() == threading.main_thread().ident:
        look_after(undo, environment, reality)


def look_after(undo: UndoStack, environment: Environment, reality: Reality) -> None:
    """Look after the thread that calls, which is the main one of this process, until ``undo`` is unwound."""
    if _SIGNAL is None:
        return
    ident = _real_ident()
    computing = Computing(environment, ident, PERIOD)

    def handle(_number: int, frame: FrameType | None) -> None:
        if computing.is_endless:
            computing.end(frame)
            return
        process = None if environment.over else environment.current
        awaited = None if frame is None else awaited_at(frame)
        if process is None or awaited is None or THREADS in reality.allowed:
            return
        others = [line for other in environment.blocked() for line in standing_of(other)]
        lines = [
            *standing_at(process, frame, awaited),
            f"{awaited} was made before the simulation, and no name leads to it: it is waited for in real time, and",
            "meanwhile nobody goes on who could release it. Make it inside the simulation, or let a global of the",
            'project lead to it. If a real thread has it: sim.allow("threads")',
            *(("Who else waits:", *("  " + line for line in others)) if others else ()),
        ]
        environment.give_up(Deadlock("a task blocks for real, and all others with it:\n  " + "\n  ".join(lines)))

    undo.callback(_set_handler, _SIGNAL, _set_handler(_SIGNAL, handle))
    over, ended = _thread.allocate_lock(), _thread.allocate_lock()
    over.acquire()
    ended.acquire()
    undo.then(lambda: ended.acquire(timeout=PERIOD))  # a look may hold the simulation, or a frame of it
    undo.then(over.release)
    undo.then(computing.forget)
    _start_thread(_watch, (ident, over, ended, computing))


def _watch(ident: int, over: Any, ended: Any, computing: Computing) -> None:
    _look_until(over, ident, computing)
    ended.release()


def _look_until(over: Any, ident: int, computing: Computing) -> None:
    before, times = None, 0
    while not over.acquire(timeout=PERIOD):
        computing.look()
        sight = _sight(ident)
        times = times + 1 if sight == before else 0
        before = sight
        if computing.is_endless or (times and times % LOOKS == 0):
            signal.pthread_kill(ident, signal.SIGURG)


def _sight(ident: int) -> object:
    """Where a thread is, and how much it has computed, where the system tells that."""
    frame = sys._current_frames().get(ident)
    computed = None
    with suppress(AttributeError, OSError):
        computed = time.clock_gettime(time.pthread_getcpuclockid(ident))
    return id(frame), frame and frame.f_lasti, computed


def awaited_at(frame: FrameType) -> str | None:
    """The lock whose ``acquire`` the frame stands at, as it is written there; ``None`` if it stands elsewhere."""
    code, at = frame.f_code, frame.f_lasti
    if is_ours(frame) or code.co_name == "_wait_for_tstate_lock":  # for a real thread, on purpose
        return None
    written = _written_at(frame)
    if opname[code.co_code[at]] == "BEFORE_WITH":
        return ", ".join(map(ast.unparse, written.items)) if isinstance(written, ast.With) else _text_of(written)
    call = written.value if isinstance(written, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    awaited, method = call.func.value, call.func.attr
    if method == "acquire" or (method == "get" and type(_found(awaited, frame)) is _RealQueue):
        return ast.unparse(awaited)
    return None


def _text_of(written: ast.stmt | None) -> str:
    return "a lock" if written is None else ast.unparse(written)


def _written_at(frame: FrameType) -> ast.stmt | None:
    """What the frame executes just now: an expression, or, up to Python 3.12, a whole ``with`` statement."""
    line, last_line, start, end = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    if line is None or last_line is None or start is None or end is None:
        return None
    lines = [linecache.getline(frame.f_code.co_filename, number).encode() for number in range(line, last_line + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    for source in (b"".join(lines), b"(" + b"".join(lines) + b")"):
        with suppress(SyntaxError, ValueError):
            if body := ast.parse(source).body:
                return body[0]
    return None


def _found(expression: ast.expr, frame: FrameType) -> Any:
    """What a name, or an attribute of what a name stands for, is."""
    if isinstance(expression, ast.Name):
        return frame.f_locals.get(expression.id, frame.f_globals.get(expression.id))
    if isinstance(expression, ast.Attribute):
        return getattr(_found(expression.value, frame), "__dict__", {}).get(expression.attr)
    return None
