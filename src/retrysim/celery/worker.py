"""A simulated worker: Celery's own ``WorkController`` in a process of the simulation, with our pool under it."""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from signal import SIGKILL, Signals
from types import TracebackType
from typing import Any, Self

from billiard.common import REMAP_SIGTERM
from celery import signals
from celery.app import trace as celery_trace

from retrysim.celery.autoscaler import autoscaler_class
from retrysim.celery.controller import Controller
from retrysim.celery.hosting import Broker
from retrysim.celery.pools import pool_named
from retrysim.celery.shared_memory import SharedMemory
from retrysim.celery.signals import install_handlers
from retrysim.errors import InputError, SimulationError
from retrysim.kernel import Condition, Environment, Host, Role
from retrysim.trace import Trace, WorkerReady, WorkerStopped

#: What each signal makes of a worker, as its end in the trace says it.
_HOW = {"SIGTERM": "cold" if REMAP_SIGTERM == "SIGQUIT" else "warm", "SIGINT": "warm", "SIGQUIT": "cold"}


class Worker:
    """One worker of the simulation, and the verbs a test has for it."""

    def __init__(
        self,
        app: Any,
        environment: Environment,
        broker: Broker,
        trace: Trace,
        *,
        concurrency: int,
        name: str,
        pool: str | None,
        options: dict[str, Any],
        isolated: bool | None = None,
        by_default_isolated: bool = False,
        memory: SharedMemory | None = None,
    ) -> None:
        self.app = app
        self.name = name
        self.concurrency = concurrency
        self.pool = pool_named(pool or app.conf.worker_pool, broker.pool)
        self._environment = environment
        self._broker = broker
        self._wake = broker.changed
        self._trace = trace
        self._ready = Condition(f"{name} to be ready")
        self._is_ready = False
        self._stopped = False
        self._how: str | None = None  # nobody has told it to stop
        self._options = options
        self._memory = memory
        #: whether each of its pool processes is one of the machine
        self.isolated = by_default_isolated and self.pool.name == "prefork" if isolated is None else isolated
        self._thread = environment.new_thread(name)
        self.host = self._new_host()
        self.controller = self._make_controller(options)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<Worker {self.name!r}, concurrency {self.concurrency}>"

    def _make_controller(self, options: dict[str, Any]) -> Any:
        hostname = f"celery@{self.name}"
        with self.inside():
            celery_trace.setup_worker_optimizations(self.app, hostname)
            controller = Controller(
                app=self.app,
                hostname=hostname,
                concurrency=self.concurrency,
                pool_cls=self.pool.bound_to(self._environment, hostname, isolated=self.isolated, memory=self._memory),
                use_eventloop=None if self.pool.may_use_hub else False,
                autoscaler_cls=autoscaler_class(self.app, self._environment),
                ready_callback=self._on_ready,
                # As in celery.contrib.testing.worker: what workers tell each other is off unless asked for.
                **{"without_heartbeat": True, "without_mingle": True, "without_gossip": True, **options},
            )
        controller.consumer._pending_operations = _WakingDeque(self._wake)
        return controller

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and let the simulation run until the worker consumes."""
        self.launch()
        self._environment.run(until=lambda: self._is_ready or self._stopped)
        if not self._is_ready:
            raise SimulationError(f"{self.name} stopped before it was ready; its log says why")

    def launch(self) -> None:
        """Start, without waiting until the worker consumes."""
        self.host.main = self._environment.spawn(self._run, name=self.name, host=self.host, thread=self._thread)

    def inside(self) -> AbstractContextManager[None]:
        """For a look at what this worker has for itself: Celery's globals and thread-locals are its own in the block.

        The block must not wait.
        """
        self.host.activity += 1
        return self._environment.context.on(self._thread, self.host)

    def _new_host(self) -> Host:
        host = Host(self._environment, self.name, role=Role.WORKER, end=self._end)
        host.on_signal = self._note_signal
        return host

    def stop(self) -> None:
        """Warm shutdown (SIGTERM): what runs may end, nothing new is begun. Returns when the worker has stopped.

        Under ``REMAP_SIGTERM=SIGQUIT`` it is a cold one, as in production.
        """
        self._end_by("SIGTERM", _HOW["SIGTERM"])

    def soft_stop(self) -> None:
        """Soft shutdown (SIGQUIT, Celery 5.5 and later): what runs has ``worker_soft_shutdown_timeout`` to end."""
        if not getattr(self.app.conf, "worker_soft_shutdown_timeout", 0):
            raise InputError(
                f"{self.name} has no soft shutdown: set worker_soft_shutdown_timeout (Celery 5.5 and later) to more "
                "than 0 seconds, or use quit() for a cold shutdown"
            )
        self._end_by("SIGQUIT", "soft")

    def quit(self) -> None:
        """Cold shutdown (SIGQUIT): what runs is cancelled; unacked messages go back, if the broker can."""
        self._end_by("SIGQUIT", "cold")

    def _end_by(self, signal_name: str, how: str) -> None:
        if not self._stopped:
            self.signal(signal_name, how=how)
            self._environment.run(until=lambda: self._stopped)

    def signal(self, name: str, *, how: str | None = None) -> None:
        """Send a signal (``"SIGTERM"``, ``"SIGQUIT"``, ``"SIGINT"``) to the worker's main process, and do not wait."""
        if self._stopped or self.host.main is None:
            raise InputError(f"{self.name} does not run: there is nobody to get {name}")
        self.host.send(Signals[name])
        self._how = how or self._how

    def _note_signal(self, number: int) -> None:
        self._how = _HOW.get(Signals(number).name, self._how)
        self._environment.schedule(self._environment.clock.ns, self._wake.notify_all)  # once its handler has run

    def ask_to_stop(self) -> None:
        """SIGTERM, unless it is stopping already; does not wait."""
        if self._how is None:
            self.signal("SIGTERM")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()

    def kill(self) -> None:
        """SIGKILL, to the worker and its pool: no line of it runs again, ``finally`` blocks included."""
        if self._environment.host.top is self.host:
            raise self._environment.refused(
                f"kills {self.name}, which runs it", "call kill() in the test, or os.kill(os.getpid(), 9) in the task"
            )
        if not self._stopped:
            self.abandon()
            self._note_stop("killed")

    def kill_child(self, task_id: str | None = None) -> None:
        """SIGKILL to one pool process, as the kernel does when memory is short: the one that runs this (or a) task."""
        if self._stopped or not self.controller.pool.lose_child(task_id, SIGKILL):
            what = "a task" if task_id is None else f"task {task_id}"
            raise InputError(f"{self.name} has no pool process that runs {what}")

    def restart(self) -> None:
        """Start it anew, after it was stopped or killed: a new process, with the same name and options."""
        self.renew()
        self.start()

    def renew(self) -> None:
        """Make a new process of it, after it was stopped or killed; ``launch`` starts it."""
        if not self._stopped:
            raise InputError(f"{self.name} is running: stop() or kill() it before restart()")
        self._stopped = self._is_ready = False
        self._how = None
        self._thread = self._environment.new_thread(self.name)
        self.host = self._new_host()
        self.controller = self._make_controller(self._options)

    def _end(self, status: int) -> None:
        """What ends its main process, called in whatever process: no line of it or of its pool runs after that."""

        def end() -> None:
            if not self._stopped:
                self.abandon()
                self._note_stop("killed" if status == -SIGKILL else "died")

        self._environment.intervene(end)

    def abandon(self) -> None:
        """Forget the worker without running a line of it."""
        self._stopped = True
        self._forget_exit()
        self._environment.kill(self.host)

    @property
    def stopped(self) -> bool:
        """Whether it runs no more: it was stopped or killed, or it died."""
        return self._stopped

    @property
    def running(self) -> list[str]:
        """The ids of the tasks whose body runs now."""
        return [] if self._stopped else list(self.controller.pool.running)

    @property
    def scheduled(self) -> list[str]:
        """The ids of the tasks that wait here for their ETA, the first one first."""
        if self._stopped:
            return []
        timed = [one for one in self.controller.timer._queue if one.entry.args and hasattr(one.entry.args[0], "id")]
        return [one.entry.args[0].id for one in sorted(timed) if not one.entry.canceled]

    @property
    def queues(self) -> set[str]:
        """The names of the queues it consumes."""
        if self._stopped:
            return set()
        with self.inside():
            return set(self.app.amqp.queues.consume_from)

    # -- the process ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        reload: list[bool] = []
        install_handlers(self.controller, lambda: reload.append(True))
        self.controller.start()
        self.host.exit()
        self.host.ended()
        if (save := self._forget_exit()) is not None:
            save()
        self._stopped = True
        how = self._how or "warm"
        self._note_stop(how if how != "warm" or not self.controller.exitcode else "died")
        if reload:
            self._environment.intervene(self._start_anew)

    def _start_anew(self) -> None:
        self.renew()
        self.launch()

    def _forget_exit(self) -> Callable[[], None] | None:
        """What a worker with a ``statedb`` does when its interpreter exits, which ours does later."""
        persistence = self.controller._persistence
        if persistence is None:
            return None
        atexit.unregister(persistence.save)
        save: Callable[[], None] = persistence.save
        return save

    def _note_stop(self, how: str) -> None:
        self._trace.append(WorkerStopped(at_ns=self._environment.clock.ns, worker=self.name, how=how))

    def _on_ready(self, consumer: Any) -> None:
        self._is_ready = True
        assert self.host.main is not None
        self.host.main.serve()
        signals.worker_ready.send(sender=consumer)  # as the program `celery worker` does
        at_ns = self._environment.clock.ns
        self._trace.append(WorkerReady(at_ns=at_ns, worker=self.name, concurrency=self.concurrency))


class _WakingDeque(deque[Any]):
    """The consumer's pending operations: a real consumer looks at them each two seconds, this one is woken."""

    def __init__(self, wake: Condition) -> None:
        super().__init__()
        self._wake = wake

    def append(self, operation: Any) -> None:
        super().append(operation)
        self._wake.notify_all()
