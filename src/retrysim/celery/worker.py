"""A simulated worker: Celery's own ``WorkController`` in a process of the simulation, with our pool under it."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any, Self

from celery import signals
from celery.app import trace as celery_trace
from celery.worker import WorkController
from celery.worker import state as worker_state

from retrysim.celery.hosting import Broker
from retrysim.celery.pool import bound_to
from retrysim.celery.process_globals import ProcessGlobals
from retrysim.errors import InputError, SimulationError
from retrysim.kernel import Condition, Environment, Process
from retrysim.trace import Trace, WorkerReady, WorkerStopped


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
        options: dict[str, Any],
        globals_of: ProcessGlobals,
    ) -> None:
        self.app = app
        self.name = name
        self.concurrency = concurrency
        self._environment = environment
        self._broker = broker
        self._wake = broker.changed
        self._trace = trace
        self._globals = globals_of
        self._ready = Condition(f"{name} to be ready")
        self._is_ready = False
        self._stopped = False
        self._process: Process | None = None
        self._options = options
        self.controller = self._make_controller(options)

    def __repr__(self) -> str:
        return f"<Worker {self.name!r}, concurrency {self.concurrency}>"

    def _make_controller(self, options: dict[str, Any]) -> Any:
        hostname = f"celery@{self.name}"
        self._globals.start(self)
        with self._globals.inside(self):
            celery_trace.setup_worker_optimizations(self.app, hostname)
            controller = WorkController(
                app=self.app,
                hostname=hostname,
                concurrency=self.concurrency,
                pool_cls=bound_to(self._environment, hostname, self._broker.pool),
                ready_callback=self._on_ready,
                # As in celery.contrib.testing.worker: what workers tell each other is off unless asked for.
                **{"without_heartbeat": True, "without_mingle": True, "without_gossip": True, **options},
            )
        controller.consumer._pending_operations = _WakingDeque(self._wake)
        return controller

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and let the simulation run until the worker consumes."""
        self._process = self._environment.spawn(self._run, name=self.name, service=True, host=self)
        self._environment.run(until=lambda: self._is_ready or self._stopped)
        if not self._is_ready:
            raise SimulationError(f"{self.name} stopped before it was ready; its log says why")

    def stop(self) -> None:
        """Warm shutdown: what runs may end, nothing new is begun."""
        if self._stopped:
            return
        with self._globals.inside(self):
            worker_state.should_stop = 0
        self._wake.notify_all()
        self._environment.run(until=lambda: self._stopped)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()

    def kill(self) -> None:
        """SIGKILL, to the worker and its pool: no line of it runs again, ``finally`` blocks included."""
        if not self._stopped:
            self.abandon()
            self._note_stop("killed")

    def restart(self) -> None:
        """Start it anew, after it was stopped or killed: a new process, with the same name and options."""
        if not self._stopped:
            raise InputError(f"{self.name} is running: stop() or kill() it before restart()")
        self._stopped = self._is_ready = False
        self.controller = self._make_controller(self._options)
        self.start()

    def abandon(self) -> None:
        """Forget the worker without running a line of it."""
        self._stopped = True
        self._environment.abandon_host(self)
        self._broker.drop(self)

    @property
    def running(self) -> list[str]:
        """The ids of the tasks whose body runs now."""
        return [] if self._stopped else list(self.controller.pool.running)

    @property
    def scheduled(self) -> list[str]:
        """The ids of the tasks that wait here for their ETA."""
        if self._stopped:
            return []
        entries = (entry.entry for entry in self.controller.timer._queue)
        requests = (entry.args[0] for entry in entries if not entry.canceled and entry.args)
        return [request.id for request in requests if hasattr(request, "id")]

    @property
    def queues(self) -> set[str]:
        """The names of the queues it consumes."""
        if self._stopped:
            return set()
        with self._globals.inside(self):
            return set(self.app.amqp.queues.consume_from)

    # -- the process ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self.controller.start()
        self._stopped = True
        self._note_stop("died" if self.controller.exitcode else "warm")

    def _note_stop(self, how: str) -> None:
        self._trace.append(WorkerStopped(at_ns=self._environment.clock.ns, worker=self.name, how=how))

    def _on_ready(self, consumer: Any) -> None:
        self._is_ready = True
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
