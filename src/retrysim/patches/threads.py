"""Stands in for ``threading.Thread``: one that a task starts is a process of the simulation, and so is an executor's.

Its sleeps and waits are virtual, it dies with the pool process of its task, and to the code in it it is the thread
that it says it is. The threads of telemetry SDKs, and those that are started outside of tasks, stay real.
"""

from __future__ import annotations

import _thread
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, thread
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment, Host, Process, Thread
from retrysim.patches.places import module_of_caller
from retrysim.patches.reality import THREADS, Reality
from retrysim.patches.stand_ins import StandIns
from retrysim.undo import UndoStack

#: Packages whose threads report on the program and are no part of what it does.
TELEMETRY = frozenset(
    {"sentry_sdk", "opentelemetry", "ddtrace", "newrelic", "elasticapm", "prometheus_client", "datadog", "statsd"}
)
#: Packages whose threads wait in C, where virtual time does not reach.
IN_C = frozenset({"grpc"})


class VirtualThreads:
    """The threads that tasks of one simulation have started, and what stands in for the methods of ``Thread``."""

    def __init__(self, environment: Environment, reality: Reality) -> None:
        self._environment = environment
        self._reality = reality
        self._done: WeakKeyDictionary[threading.Thread, Condition] = WeakKeyDictionary()
        self._ended: WeakKeyDictionary[threading.Thread, bool] = WeakKeyDictionary()
        self._idents: dict[int, threading.Thread] = {}
        self._not_started: WeakKeyDictionary[Thread, threading.Thread] = WeakKeyDictionary()
        self._hosts: WeakKeyDictionary[threading.Thread, Host] = WeakKeyDictionary()
        #: threads that are being started for real: what says so is waited for in real time
        self.starting: list[threading.Thread] = []

    def connect(self, stand_ins: StandIns) -> None:
        """Patch ``threading``."""
        kind, undo = threading.Thread, stand_ins.undo
        for name in ("start", "join", "is_alive"):
            stand_ins.put(kind, name, _method(getattr(self, name), getattr(kind, name)))
        stand_ins.put(threading, "current_thread", self._current_thread(threading.current_thread))
        stand_ins.put(threading, "main_thread", self._main_thread(threading.main_thread))
        if hasattr(_thread, "_get_main_thread_ident"):  # from Python 3.13 on
            stand_ins.put(_thread, "_get_main_thread_ident", lambda: threading.main_thread().ident)
        stand_ins.put(threading, "enumerate", self._enumerate(threading.enumerate))
        stand_ins.put(threading, "active_count", lambda: len(threading.enumerate()))
        guarded = self._reality.guarded(_thread.start_new_thread, "starts a raw thread", THREADS)
        stand_ins.put(_thread, "start_new_thread", guarded)
        stand_ins.put(ThreadPoolExecutor, "submit", self._submit(undo, ThreadPoolExecutor.submit))
        undo.then(self._forget)

    # -- in the place of Thread's methods ------------------------------------------------------------------------------

    def start(self, real: Callable[..., None], started: threading.Thread) -> None:
        environment = self._environment
        if environment.over or not environment.owns_thread:
            real(started)
        elif environment.current is None or self._stays_real(started):
            self.starting.append(started)
            self._hosts[started] = environment.host
            if environment.current is None:
                self._reality.companions.note_thread(started)
            try:
                real(started)
            finally:
                self.starting.remove(started)
        else:
            self._start(started)

    def _start(self, started: Any) -> None:
        if started._started.is_set():
            raise RuntimeError("threads can only be started once")
        current = self._environment.current
        assert current is not None
        owner = current.owner or current
        self._done[started] = Condition(f"thread {started.name!r} to end")
        process = self._environment.spawn(
            partial(self._run, started),
            name=f"thread {started.name!r}",
            service=True,
            owner=owner,
            daemon=started.daemon,
        )
        process.in_task = current.in_task
        self._stands_for(started, process)

    def _run(self, started: Any) -> None:
        try:
            started.run()
        except BaseException:
            threading._make_invoke_excepthook()(started)  # type: ignore[attr-defined]
        finally:
            self._ended[started] = True
            self._active_no_more(started.ident)
            self._done[started].notify_all()

    def join(self, real: Callable[..., None], joined: threading.Thread, timeout: float | None = None) -> None:
        if joined not in self._done:
            return real(joined, timeout)
        if self._environment.thread.ident == joined.ident:
            raise RuntimeError("cannot join current thread")
        if joined not in self._ended:
            timeout_ns = None if timeout is None else grid_ns(timeout)
            self._environment.wait(self._done[joined], timeout_ns=timeout_ns)
        return None

    def is_alive(self, real: Callable[..., bool], asked: threading.Thread) -> bool:
        return asked not in self._ended if asked in self._done else real(asked)

    # -- who is who ----------------------------------------------------------------------------------------------------

    def get_ident(self) -> int:
        """What stands in for ``threading.get_ident``."""
        return self._environment.thread.ident if self._environment.owns_thread else _real_ident()

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
        if process.is_greenlet:
            return self._found(process.thread, daemon=True)
        known = self._idents.get(process.thread.ident)
        if known is None and not process.on_main_thread:
            known = threading.Thread(name=process.thread.name, daemon=False)
            self._done[known] = Condition(f"thread {known.name!r} to end")
            self._stands_for(known, process)
        return known

    def _main_thread(self, real: Callable[[], threading.Thread]) -> Callable[[], threading.Thread]:
        environment = self._environment

        def main_thread() -> threading.Thread:
            """That of the process of the machine that asks: each has one, with an identity of its own."""
            main = self._main_of(environment.current) if environment.owns_thread else None
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
            self._done[known] = Condition(f"thread {known.name!r} to end")
            self._runs(known, simulated.ident)
        return known

    def _main_of(self, process: Process | None) -> Thread | None:
        """The main thread of the host that this one runs on; none where that is the test's own process."""
        while process is not None and (process.is_greenlet or not process.on_main_thread):
            process = process.owner or process.host.main
        return None if process is None else process.thread

    def _enumerate(self, real: Callable[[], list[threading.Thread]]) -> Callable[[], list[threading.Thread]]:
        environment = self._environment

        def threads_of_this_process() -> list[threading.Thread]:
            main = threading.main_thread()
            if not environment.owns_thread or main is real_main:
                return [one for one in real() if one.ident not in self._idents]
            host = environment.host
            known = [self._thread_of(process) for process in environment.processes_of(host)]
            greenlets = [one for one in known if one is not None and one not in self._hosts]
            return [main, *greenlets, *(one for one, its in self._hosts.items() if its is host and one.is_alive())]

        real_main = threading.main_thread()
        return threads_of_this_process

    def _stands_for(self, started: Any, process: Process) -> None:
        """To whoever asks, a thread of the simulation is this one, and it runs."""
        ident = process.thread.ident
        self._idents[ident] = threading._active[ident] = started  # type: ignore[attr-defined]
        self._hosts[started] = process.host
        self._runs(started, ident)

    def _runs(self, started: Any, ident: int) -> None:
        started._ident, started._native_id = ident, threading.get_native_id()
        started._is_stopped = True  # to the real methods, after the simulation
        started._started.set()

    def _stays_real(self, started: Any) -> bool:
        if THREADS in self._reality.allowed:
            return True
        if str(getattr(started._target, "__module__", None)).partition(".")[0] in IN_C:
            return True
        modules = (type(started).__module__, getattr(started._target, "__module__", None), module_of_caller())
        module = next((name for name in modules if name and name.partition(".")[0] in TELEMETRY), None)
        if module is not None:
            self._reality.note(f"thread {started.name!r} of {module} runs in real time: it reports on the program")
        return module is not None

    # -- executors -----------------------------------------------------------------------------------------------------

    def _submit(self, undo: UndoStack, real: Callable[..., Any]) -> Callable[..., Any]:
        environment = self._environment

        def submit(executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            if environment.current is not None and type(executor._work_queue) is _RealQueue:
                # Made before the simulation: its queue waits below Python, its threads, if it has any, are real.
                undo.set_attribute(executor, "_work_queue", queue.SimpleQueue())
                undo.set_attribute(executor, "_threads", set())
                undo.set_attribute(executor, "_idle_semaphore", threading.Semaphore(0))
            return real(executor, function, *args, **kwargs)

        return submit

    # -- the end -------------------------------------------------------------------------------------------------------

    def _active_no_more(self, ident: int) -> None:
        self._idents.pop(ident, None)
        threading._active.pop(ident, None)  # type: ignore[attr-defined]

    def _forget(self) -> None:
        for ident in list(self._idents):
            self._active_no_more(ident)
        for started in list(self._done):
            thread._threads_queues.pop(started, None)  # type: ignore[attr-defined]


_RealQueue = queue.SimpleQueue
_real_ident = _thread.get_ident


def _method(ours: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        return ours(real, self, *args, **kwargs)

    return method
