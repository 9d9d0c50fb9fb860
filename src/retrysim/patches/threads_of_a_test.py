"""Stands in for ``threading.Thread`` where a test or Celery starts one: it runs as a process of the simulation.

Such a thread waits for results, sleeps, runs a beat; it has to do that in virtual time. Threads of other libraries (a
telemetry SDK's, an HTTP server's) block in ways that only the operating system knows, and stay real.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
from functools import cache
from typing import Any

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment
from retrysim.patches.companions import Companions
from retrysim.patches.loaded import unnoticed
from retrysim.patches.stand_ins import StandIns
from retrysim.patches.thread_identities import ThreadIdentities
from retrysim.patches.thread_state import own_thread_state
from retrysim.undo import UndoStack

#: Whose threads are virtual although they are installed libraries.
_CELERY = ("celery.", "kombu.")
#: What a thread calls that waits for a real socket or process: it would stop the simulation, and stays real.
_BLOCKING = frozenset({"accept", "recv", "recvfrom", "serve_forever", "handle_request", "select", "communicate"})


def threads_of_a_suite(undo: UndoStack, environment: Environment) -> ThreadIdentities:
    """Until ``undo`` is unwound, each thread has its own identity, ``threading.local`` contents and running loop."""
    identities = ThreadIdentities(environment, _never_ends)
    with unnoticed(undo):
        stand_ins = StandIns(undo)
        identities.connect(stand_ins)
        stand_ins.spread()
    own_thread_state(undo, environment)
    return identities


def _never_ends(thread: Any) -> None:
    """It stands for a pool's thread, or for the main thread of a process."""
    thread._retrysim_run = _Run(thread)


class _Run:
    """A thread that runs as a process; kept on the thread, as CPython keeps its handle."""

    def __init__(self, thread: threading.Thread) -> None:
        self.ended = Condition(f"thread {thread.name!r} to end")
        self.alive = True
        self._thread = thread

    def begin(self, environment: Environment, identities: ThreadIdentities) -> None:
        name = f"thread {self._thread.name}"
        process = environment.spawn(self._run, name=name, service=self._thread.daemon)
        process.on_main_thread = False
        identities.stands_for(self._thread, process)

    def _run(self) -> None:
        try:
            self._thread.run()
        except SystemExit:
            pass  # as for a real one: it ends
        except BaseException:
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), self._thread)))
        finally:
            self.alive = False
            self.ended.notify_all()


def virtual_threads_of_a_test(
    undo: UndoStack, environment: Environment, companions: Companions, identities: ThreadIdentities
) -> list[threading.Thread]:
    """Until ``undo`` is unwound, threads that run a test's own code or Celery's are processes.

    Returns the list of the real ones that are being started just now.
    """
    real_start, real_join, real_is_alive = threading.Thread.start, threading.Thread.join, threading.Thread.is_alive
    starting: list[threading.Thread] = []

    def start(self: Any) -> None:
        if not environment.owns_thread:
            real_start(self)
        elif not _is_virtual(self):
            starting.append(self)  # it says by a real event that it runs
            companions.note_thread(self)
            try:
                real_start(self)
            finally:
                starting.remove(self)
        elif self._started.is_set():
            raise RuntimeError("threads can only be started once")
        else:
            self._retrysim_run = _Run(self)
            self._retrysim_run.begin(environment, identities)

    def join(self: Any, timeout: float | None = None) -> None:
        run: _Run | None = vars(self).get("_retrysim_run")
        if run is None:
            real_join(self, timeout)
        elif run.alive:
            environment.wait(run.ended, timeout_ns=None if timeout is None else grid_ns(max(timeout, 0)))

    def is_alive(self: Any) -> bool:
        run: _Run | None = vars(self).get("_retrysim_run")
        return real_is_alive(self) if run is None else run.alive

    for stand_in in (start, join, is_alive):
        undo.set_attribute(threading.Thread, stand_in.__name__, stand_in)
    return starting


def _is_virtual(thread: Any) -> bool:
    """Whose code the thread runs: that of its target, of a timer's function, or its class's own ``run``."""
    code: Any = _code_of(thread)
    while hasattr(code, "func"):  # functools.partial
        code = code.func
    name: str = getattr(code, "__module__", None) or ""
    if _BLOCKING.intersection(getattr(getattr(code, "__code__", None), "co_names", ())):
        return False
    return name.startswith(_CELERY) or not _is_installed(name)


def _code_of(thread: Any) -> Any:
    run = type(thread).run
    if run is threading.Thread.run:
        return getattr(thread, "_target", None)
    return thread.function if run is threading.Timer.run else run


@cache
def _is_installed(module_name: str) -> bool:
    """Whether a module is the standard library's or an installed package's, not a file of the project."""
    path: str | None = getattr(sys.modules.get(module_name), "__file__", None)
    if path is None:
        return True
    places = sysconfig.get_paths()
    return path.startswith(tuple(places[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")))
