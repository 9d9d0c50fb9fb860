"""Celery's own threads pool, on an executor whose threads are processes of the simulation.

A reserved task goes to the executor at once and waits there: nobody looks again whether it expired or was revoked, and
there are no time limits and no ``terminate``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from celery.concurrency import thread

from retrysim.celery.pools.inline import InlinePool
from retrysim.kernel import Condition, Environment, Process


class TaskPool(InlinePool, thread.TaskPool):  # type: ignore[misc]
    """Bound to a simulation by ``pool_named(...).bound_to``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.executor = Executor(self.environment, self.limit, self.worker_name)

    def on_apply(self, *args: Any, accept_callback: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Let the hub, in a thread of its own, ack an early-acked task before the body begins."""

        def accepted(pid: int, at: float) -> None:
            if accept_callback is not None:
                accept_callback(pid, at)
            self.environment.sleep(0)

        return super().on_apply(*args, accept_callback=accepted, **options)


class Executor:
    """Stands in for ``concurrent.futures.ThreadPoolExecutor``: threads are made when work comes and none is idle."""

    def __init__(self, environment: Environment, max_workers: int, name: str) -> None:
        self._environment = environment
        self._max_workers = max_workers
        self._name = name
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._work = Condition("a task")
        self._ended = Condition("a thread to end")
        self._idle = 0
        self._shutdown = False
        self._threads: list[Process] = []  # Celery looks how many there are

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it when a thread is free."""
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        self._waiting.append((future, lambda: function(*args, **kwargs)))
        if self._idle:
            self._work.notify()
        elif len(self._threads) < self._max_workers:
            name = f"{self._name} thread {len(self._threads) + 1}"
            thread = self._environment.spawn(self._run, name=name, service=True)
            thread.on_main_thread = False
            thread.thread.name = f"ThreadPoolExecutor-0_{len(self._threads)}"
            self._threads.append(thread)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads, after what runs; and what waits runs, too, unless it is cancelled."""
        self._shutdown = True
        while cancel_futures and self._waiting:
            self._waiting.popleft()[0].cancel()
        self._work.notify_all()
        while wait and self._threads:
            self._environment.wait(self._ended)

    def _run(self) -> None:
        process = self._environment.current
        assert process is not None
        while self._waiting or not self._shutdown:
            if self._waiting:
                _carry_out(*self._waiting.popleft())
            else:
                self._idle += 1
                self._environment.wait(self._work)
                self._idle -= 1
        self._threads.remove(process)
        self._ended.notify_all()


def _carry_out(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
