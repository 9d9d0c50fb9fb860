"""Celery's own gevent pool, on greenlets of the simulation instead of gevent's.

``synloop`` runs it: the consumer waits while the pool is full, and on Redis nothing is put back that another worker had
unacked. A time limit raises in the task (there are only hard ones), each ETA has a greenlet of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.concurrency import gevent
from greenlet import GreenletExit

from retrysim.celery import timer
from retrysim.celery.pools.inline import InlinePool
from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment, Process


class Timer(timer.Timer):
    """Stands in for ``celery.concurrency.gevent.Timer``: each entry is fired in a greenlet of its own."""

    def apply_entry(self, entry: Any) -> None:
        fire = super().apply_entry
        self.environment.spawn(lambda: fire(entry), name="timer greenlet", service=True)


class TaskPool(InlinePool, gevent.TaskPool):  # type: ignore[misc]
    """Bound to a simulation by ``pool_named(...).bound_to``."""

    Timer = Timer

    def __init__(self, *args: Any, timeout: float | None = None, **options: Any) -> None:
        # Instead of gevent.TaskPool.__init__, which imports gevent.
        self.running = []
        self.timeout = timeout
        self.Pool = partial(Greenlets, self.environment, self.worker_name)
        self.getpid = self._number_of_current
        super(gevent.TaskPool, self).__init__(*args, timeout=timeout, **options)

    def on_start(self) -> None:
        super().on_start()
        own_timeout = type("Timeout", (Timeout,), {"environment": self.environment})
        self._quick_put = partial(self._pool.spawn, Timeout=own_timeout)

    def spawn_n(self, function: Callable[..., None], *args: Any) -> None:
        """``gevent.spawn_raw``: for the remote control, which has a loop of its own."""
        main = self.environment.current
        assert main is not None

        def run() -> None:
            try:
                function(*args)
            except SystemExit as error:  # gevent's hub raises it in the main greenlet: a remote shutdown
                self.environment.interrupt(main, error)

        self.environment.spawn(run, name=f"{self.worker_name} pidbox").serve()
        self.environment.sleep(0)  # it listens before the worker is ready: gevent switches at every I/O

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """Since 5.5 Celery kills the greenlet; before, it cannot."""
        if getattr(self, "_pool_map", None) is None:
            super().terminate_job(pid, signal)
        elif pid in self._pool_map:
            self._pool_map[pid].kill()

    def _number_of_current(self) -> int:
        return int(self._pool.current.number)

    def _add_to_pool_map(self, _id: int, greenlet: Greenlet) -> None:
        super()._add_to_pool_map(greenlet.number, greenlet)


class Greenlets:
    """Stands in for ``gevent.pool.Pool``: who spawns one too many waits."""

    def __init__(self, environment: Environment, name: str, size: int) -> None:
        self.size = size
        self._environment = environment
        self._name = name
        self._numbers = itertools.count(1)
        self._semaphore = Semaphore(environment, size)
        self._running: dict[Process, Greenlet] = {}
        self._empty = Condition("the greenlets to end")

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, function: Callable[..., None], *args: Any, **options: Any) -> Greenlet:
        self._semaphore.acquire()
        greenlet = Greenlet(self._environment, next(self._numbers))

        def run() -> None:
            try:
                greenlet.run(partial(function, *args, **options))
            finally:
                del self._running[greenlet.process]
                self._semaphore.release()
                self._empty.notify_all()

        name = f"{self._name} greenlet {greenlet.number}"
        greenlet.process = self._environment.spawn(run, name=name)
        greenlet.process.is_greenlet = True
        greenlet.process.thread.name = f"Dummy-{greenlet.number}"
        self._running[greenlet.process] = greenlet
        return greenlet

    @property
    def current(self) -> Greenlet:
        process = self._environment.current
        assert process is not None
        return self._running[process]

    def join(self) -> None:
        while self._running:
            self._environment.wait(self._empty)


class Greenlet:
    """Stands in for ``gevent.Greenlet``, as far as the pool goes."""

    process: Process

    def __init__(self, environment: Environment, number: int) -> None:
        self.number = number
        self._environment = environment
        self._links: list[Callable[[Greenlet], None]] = []

    def link(self, callback: Callable[[Greenlet], None]) -> None:
        self._links.append(callback)

    def kill(self) -> None:
        self._environment.interrupt(self.process, GreenletExit())

    def run(self, work: Callable[[], None]) -> None:
        """What it raises ends it and nobody else; gevent's hub prints it."""
        try:
            work()
        except BaseException as error:
            gevent.base.logger.error("Greenlet %s failed with %r", self.number, error, exc_info=True)
        for callback in self._links:
            callback(self)


class Semaphore:
    """Stands in for gevent's, which its pool and Celery count slots with."""

    def __init__(self, environment: Environment, counter: int) -> None:
        self.counter = counter
        self._environment = environment
        self._free = Condition("a free greenlet")

    def acquire(self) -> None:
        while self.counter <= 0:
            self._environment.wait(self._free)
        self.counter -= 1

    def release(self) -> None:
        self.counter += 1
        self._free.notify()


class Timeout(BaseException):
    """Stands in for ``gevent.Timeout``: inside of it, raised in the task when its time is up."""

    environment: Environment

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._seconds = seconds

    def __enter__(self) -> None:
        environment, process = self.environment, self.environment.current
        assert process is not None
        due_ns = environment.clock.ns + grid_ns(self._seconds)
        self._event = environment.schedule(due_ns, lambda: environment.interrupt(process, self))

    def __exit__(self, *_error: object) -> None:
        self._event.cancel()
