"""What a test has started that lives in real time, outside of the simulation: programs, and threads of its own.

A test sleeps to give a server time to come up, or polls for what a program writes. While one of those lives, a sleep of
the test takes real time, too: else a deadline of the test passes before the program has begun.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

from retrysim.patches.places import is_installed

#: How long one sleep of the test waits for real, at most, in seconds: a server may live as long as the test session.
AT_MOST_S = 1.0
#: By which a thread of the standard library's is somebody's server.
_SERVES = "serve_forever"


class Companions:
    """The real threads and programs of one simulation's test."""

    def __init__(self) -> None:
        self._threads: WeakSet[threading.Thread] = WeakSet()
        self._servers: WeakSet[threading.Thread] = WeakSet()
        self._programs: WeakSet[subprocess.Popen[Any]] = WeakSet()

    def note_thread(self, thread: threading.Thread) -> None:
        """A real thread is being started; one of a library, which reports or waits for work, is nobody's server."""
        self._threads.add(thread)
        target = getattr(thread, "_target", None)
        own_run = type(thread).run is not threading.Thread.run
        module = type(thread).__module__ if own_run else getattr(target, "__module__", None)
        if getattr(target, "__name__", None) == _SERVES or _is_own(module):
            self._servers.add(thread)

    def note_program(self, program: subprocess.Popen[Any]) -> None:
        """A program has been started."""
        self._programs.add(program)

    @property
    def lives(self) -> bool:
        """Whether a server, a program or a thread of the test's own runs."""
        return _one_is_alive(self._servers) or any(map(_runs, self._programs))

    @property
    def thread_lives(self) -> bool:
        """Whether any thread runs that the test has started, a library's too."""
        return _one_is_alive(self._threads)


def _one_is_alive(threads: Iterable[threading.Thread]) -> bool:
    return any(map(threading.Thread.is_alive, threads))


def _is_own(module_name: str | None) -> bool:
    module = sys.modules.get(module_name or "")
    return module is not None and not is_installed(module)


def _runs(program: subprocess.Popen[Any]) -> bool:
    """Whether it has not ended, without taking its end from whoever waits for it."""
    if program.returncode is not None:
        return False
    try:
        return os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except (AttributeError, ChildProcessError):  # Windows; or somebody else has waited for it
        return False
