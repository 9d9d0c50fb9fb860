"""Stands in for what ends a process at once: in a task it ends the pool process, not the test.

``os._exit``, ``os.abort`` and SIGKILL to oneself run no ``finally`` block and tell nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from signal import SIGABRT, SIGKILL
from typing import Any

from retrysim.kernel import Environment
from retrysim.undo import UndoStack


def end_pool_processes_only(undo: UndoStack, environment: Environment) -> None:
    """Until ``undo`` is unwound, a process of the simulation that can be ended is what such a call ends."""
    real_exit, real_abort, real_kill = os._exit, os.abort, os.kill

    def end(code: int, really: Callable[[], Any]) -> Any:
        current = environment.current if environment.owns_thread else None
        on_exit = None if current is None else (current.owner or current).on_exit
        if on_exit is None:
            return really()
        environment.intervene(partial(on_exit, code))
        raise AssertionError("a process that has ended went on")

    def kill(pid: int, signal: int, /) -> None:
        if pid == os.getpid() and signal == SIGKILL:
            end(-signal, lambda: real_kill(pid, signal))
        else:
            real_kill(pid, signal)

    undo.set_attribute(os, "_exit", lambda status: end(status, lambda: real_exit(status)))
    undo.set_attribute(os, "abort", lambda: end(-SIGABRT, real_abort))
    undo.set_attribute(os, "kill", kill)
