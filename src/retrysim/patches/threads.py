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
from weakref import WeakKeyDictionary, WeakSet

from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment, Process
from retrysim.patches.places import module_of_caller
from retrysim.patches.reality import THREADS, Reality
from retrysim.patches.stand_ins import StandIns
from retrysim.patches.thread_identities import ThreadIdentities
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
        self._identities = ThreadIdentities(environment, self._is_virtual)
        self._running: dict[threading.Thread, Process] = {}
        #: those that tasks of this simulation use
        self._executors: WeakSet[Any] = WeakSet()
        #: threads that are being started for real: what says so is waited for in real time
        self.starting: list[threading.Thread] = []

    def connect(self, stand_ins: StandIns) -> None:
        """Patch ``threading``."""
        kind, undo = threading.Thread, stand_ins.undo
        for name in ("start", "join", "is_alive"):
            stand_ins.put(kind, name, _method(getattr(self, name), getattr(kind, name)))
        self._identities.connect(stand_ins)
        guarded = self._reality.guarded(_thread.start_new_thread, "starts a raw thread", THREADS)
        stand_ins.put(_thread, "start_new_thread", guarded)
        stand_ins.put(ThreadPoolExecutor, "submit", self._submit(undo, ThreadPoolExecutor.submit))
        undo.then(self._forget)
        self._environment.listeners.add(undo, killed=self._is_killed)

    # -- in the place of Thread's methods ------------------------------------------------------------------------------

    def start(self, real: Callable[..., None], started: threading.Thread) -> None:
        environment = self._environment
        if environment.over or not environment.owns_thread:
            real(started)
        elif environment.current is None or self._stays_real(started):
            self.starting.append(started)
            self._identities.hosts[started] = environment.host
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
        self._is_virtual(started)
        process = self._environment.spawn(
            partial(self._run, started),
            name=f"thread {started.name!r}",
            service=True,
            owner=owner,
            daemon=started.daemon,
        )
        process.in_task = current.in_task
        self._running[started] = process
        self._identities.stands_for(started, process)

    def _is_virtual(self, started: threading.Thread) -> None:
        self._done[started] = Condition(f"thread {started.name!r} to end")

    def _run(self, started: Any) -> None:
        try:
            started.run()
        except BaseException:
            threading._make_invoke_excepthook()(started)  # type: ignore[attr-defined]
        finally:
            self._has_ended(started)

    def _has_ended(self, ended: Any) -> None:
        self._running.pop(ended, None)
        self._ended[ended] = True
        self._identities.active_no_more(ended.ident)
        self._done[ended].notify_all()

    def _is_killed(self, process: Process) -> None:
        """What a module keeps of its thread, another process finds ended, and starts one of its own."""
        for killed in [each for each, runs in self._running.items() if runs is process]:
            self._has_ended(killed)
            for executor in [each for each in self._executors if killed in each._threads]:
                executor._threads.discard(killed)
                executor._idle_semaphore = threading.Semaphore(0)

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
                for name, value in _without_threads(queue.SimpleQueue).items():
                    undo.set_attribute(executor, name, value)
            if environment.current is not None:
                self._executors.add(executor)
            return real(executor, function, *args, **kwargs)

        return submit

    # -- the end -------------------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        for executor in self._executors:
            if type(executor._work_queue) is not _RealQueue:  # made in this simulation; a module may keep it
                vars(executor).update(_without_threads(_RealQueue))
        for started in list(self._done):
            thread._threads_queues.pop(started, None)  # type: ignore[attr-defined]


_RealQueue = queue.SimpleQueue


def _without_threads(make_queue: Callable[[], Any]) -> dict[str, Any]:
    """The attributes of an executor that has not started a thread yet."""
    return {"_work_queue": make_queue(), "_threads": set(), "_idle_semaphore": threading.Semaphore(0)}


def _method(ours: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        return ours(real, self, *args, **kwargs)

    return method
