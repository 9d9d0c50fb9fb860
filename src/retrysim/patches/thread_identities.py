"""Stands in for what ``threading`` says of who is who: the thread that runs, the main one, and all of them.

Each thread of the simulation has an identity of its own. A process of the machine has a main thread and knows its own
threads only; one that stands for a thread of the test's own process is one more of those.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from retrysim.kernel import Environment, Host, Process, Thread
from retrysim.patches.stand_ins import StandIns

_real_ident = _thread.get_ident


class ThreadIdentities:
    """Who is who in one simulation; ``on_new`` gets what stands for a thread that ``threading`` did not start."""

    def __init__(self, environment: Environment, on_new: Callable[[threading.Thread], None]) -> None:
        self._environment = environment
        self._on_new = on_new
        self._idents: dict[int, threading.Thread] = {}
        self._processes: dict[int, Process] = {}
        self._not_started: WeakKeyDictionary[Thread, threading.Thread] = WeakKeyDictionary()
        #: the host that each thread was started on, real ones of the test's included
        self.hosts: WeakKeyDictionary[threading.Thread, Host] = WeakKeyDictionary()

    def connect(self, stand_ins: StandIns) -> None:
        """Patch ``threading``."""
        stand_ins.put(_thread, "get_ident", self.get_ident)
        stand_ins.put(threading, "get_ident", self.get_ident)
        stand_ins.put(threading, "current_thread", self._current_thread(threading.current_thread))
        stand_ins.put(threading, "main_thread", self._main_thread(threading.main_thread))
        if hasattr(_thread, "_get_main_thread_ident"):  # from Python 3.13 on
            stand_ins.put(_thread, "_get_main_thread_ident", lambda: threading.main_thread().ident)
        stand_ins.put(threading, "enumerate", self._enumerate(threading.enumerate))
        stand_ins.put(threading, "active_count", lambda: len(threading.enumerate()))
        stand_ins.undo.then(self._forget)

    def stands_for(self, started: Any, process: Process) -> None:
        """To whoever asks, a thread of the simulation is this one, and it runs."""
        self._forget_ended()
        ident = process.thread.ident
        self._idents[ident] = threading._active[ident] = started  # type: ignore[attr-defined]
        self._processes[ident] = process
        self.hosts[started] = process.host
        _runs(started, ident)

    def active_no_more(self, ident: int) -> None:
        """The thread with this identity has ended."""
        self._idents.pop(ident, None)
        self._processes.pop(ident, None)
        threading._active.pop(ident, None)  # type: ignore[attr-defined]

    def get_ident(self) -> int:
        """What stands in for ``threading.get_ident``."""
        return self._environment.thread.ident if self._environment.owns_thread else _real_ident()

    # -- the thread that runs, and the main one ------------------------------------------------------------------------

    def _current_thread(self, real: Callable[[], threading.Thread]) -> Callable[[], threading.Thread]:
        environment = self._environment

        def current_thread() -> threading.Thread:
            """As in a pool process, a task runs on the main thread; in a pool of threads, on one of these."""
            process = environment.current
            if not environment.owns_thread or process is None:
                return real()
            return self._thread_of(process) or threading.main_thread()

        return current_thread

    def _thread_of(self, process: Process) -> threading.Thread | None:
        """What a task has started, or what the pool has; none for what runs on a main thread."""
        if process.thread is self._environment.main_thread:  # an eager task
            return None
        if process.is_greenlet:
            return self._found(process.thread, daemon=True)
        known = self._idents.get(process.thread.ident)
        of_the_test = process.host.is_a_thread_of_the_test
        if known is None and (of_the_test or not process.on_main_thread):
            known = threading.Thread(name=process.thread.name, daemon=of_the_test)
            self._on_new(known)
            self.stands_for(known, process)
        return known

    def _main_thread(self, real: Callable[[], threading.Thread]) -> Callable[[], threading.Thread]:
        environment = self._environment

        def main_thread() -> threading.Thread:
            """That of the process of the machine that asks: each has one, with an identity of its own."""
            main = _main_of(environment.current) if environment.owns_thread else None
            if main is None or main is environment.main_thread:
                return real()
            known = self._found(main, name="MainThread", daemon=False)
            known.__class__ = type(real())
            return known

        return main_thread

    def _found(self, simulated: Thread, *, name: str | None = None, daemon: bool) -> threading.Thread:
        """What stands for a thread that nobody has started by ``threading``: one for each."""
        known = self._not_started.get(simulated)
        if known is None:
            known = self._not_started[simulated] = threading.Thread(name=name or simulated.name, daemon=daemon)
            self._on_new(known)
            _runs(known, simulated.ident)
        return known

    # -- all of them ---------------------------------------------------------------------------------------------------

    def _enumerate(self, real: Callable[[], list[threading.Thread]]) -> Callable[[], list[threading.Thread]]:
        environment = self._environment

        def threads_of_this_process() -> list[threading.Thread]:
            host = environment.host if environment.owns_thread else environment.test
            if host.is_a_thread_of_the_test:
                self._forget_ended()
                return [one for one in real() if one.ident not in self._idents or self._is_of_the_test(one)]
            known = [self._thread_of(process) for process in environment.processes_of(host)]
            greenlets = [one for one in known if one is not None and one not in self.hosts]
            started = (one for one, its in self.hosts.items() if its is host and one.is_alive())
            return [threading.main_thread(), *greenlets, *started]

        return threads_of_this_process

    def _is_of_the_test(self, known: threading.Thread) -> bool:
        return known in self.hosts and self.hosts[known].is_a_thread_of_the_test

    def _forget_ended(self) -> None:
        for ident, process in list(self._processes.items()):
            if process.gone or process.greenlet.dead:
                self.active_no_more(ident)

    def _forget(self) -> None:
        for ident in list(self._idents):
            self.active_no_more(ident)


def _main_of(process: Process | None) -> Thread | None:
    """The main thread of the host that this one runs on; none where that is the test's own process."""
    if process is not None and process.host.is_a_thread_of_the_test:
        return None
    while process is not None and (process.is_greenlet or not process.on_main_thread):
        process = process.owner or process.host.main
    return None if process is None else process.thread


def _runs(started: Any, ident: int) -> None:
    started._ident, started._native_id = ident, threading.get_native_id()
    started._started.set()
    # To the real methods, after the simulation, it has ended.
    if hasattr(started, "_handle"):  # from Python 3.13 on
        started._handle = threading._make_thread_handle(ident)  # type: ignore[attr-defined]
        started._handle._set_done()
    else:
        started._is_stopped = True
