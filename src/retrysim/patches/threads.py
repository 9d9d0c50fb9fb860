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
from retrysim.kernel import Condition, Environment
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
        self._identities.stands_for(started, process)

    def _is_virtual(self, started: threading.Thread) -> None:
        self._done[started] = Condition(f"thread {started.name!r} to end")

    def _run(self, started: Any) -> None:
        try:
            started.run()
        except BaseException:
            threading._make_invoke_excepthook()(started)  # type: ignore[attr-defined]
        finally:
            self._ended[started] = True
            self._identities.active_no_more(started.ident)
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

    def _forget(self) -> None:
        for started in list(self._done):
            thread._threads_queues.pop(started, None)  # type: ignore[attr-defined]


_RealQueue = queue.SimpleQueue


def _method(ours: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        return ours(real, self, *args, **kwargs)

    return method
