"""A simulated worker: Celery's own ``WorkController`` in a process of the simulation, with our pool under it."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any, Self

from celery.app import trace as celery_trace
from celery.worker import WorkController
from celery.worker import state as worker_state

from celery import _state, result, signals
from retrysim.celery.hosting import Broker
from retrysim.celery.memory import MemoryBroker
from retrysim.celery.pool import bound_to
from retrysim.errors import SimulationError
from retrysim.kernel import Condition, Environment, Process
from retrysim.patches import UndoStack
from retrysim.trace import Trace, WorkerReady, WorkerStopped


class Worker:
    """One worker of the simulation, and the verbs a test has for it."""

    def __init__(
        self,
        app: Any,
        environment: Environment,
        broker: MemoryBroker,
        trace: Trace,
        *,
        concurrency: int,
        name: str,
        options: dict[str, Any],
    ) -> None:
        self.app = app
        self.name = name
        self.concurrency = concurrency
        self._environment = environment
        self._broker: Broker = broker
        self._wake = broker.changed
        self._trace = trace
        self._undo = UndoStack()
        self._ready = Condition(f"{name} to be ready")
        self._is_ready = False
        self._stopped = False
        self._process: Process | None = None
        self.controller = self._make_controller(options)

    def __repr__(self) -> str:
        return f"<Worker {self.name!r}, concurrency {self.concurrency}>"

    def _make_controller(self, options: dict[str, Any]) -> Any:
        self._own_globals()
        controller = WorkController(
            app=self.app,
            hostname=f"celery@{self.name}",
            concurrency=self.concurrency,
            pool_cls=bound_to(self._environment, f"celery@{self.name}"),
            ready_callback=self._on_ready,
            # As in celery.contrib.testing.worker: what workers tell each other all the time is off unless asked for.
            **{"without_heartbeat": True, "without_mingle": True, "without_gossip": True, **options},
        )
        controller.consumer._pending_operations = _WakingDeque(self._wake)
        return controller

    def _own_globals(self) -> None:
        """What a worker process has for itself lives in modules of Celery: clean now, clean again afterwards."""
        worker_state.reset_state()
        self._undo.then(worker_state.reset_state)
        for flag in ("should_stop", "should_terminate"):
            self._undo.set_attribute(worker_state, flag, None)
        # In production the test and the worker are two processes: only inside the worker's does get() block the pool.
        outside = self._environment.outside_of_all
        joins_block = _state.task_join_will_block
        self._undo.set_attribute(result, "task_join_will_block", lambda: joins_block() and not outside())
        localized = list(celery_trace._localized)
        celery_trace.setup_worker_optimizations(self.app, f"celery@{self.name}")
        self._undo.callback(celery_trace._localized.__setitem__, slice(None), localized)
        self._undo.callback(celery_trace.reset_worker_optimizations, self.app)

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and let the simulation run until the worker consumes."""
        self._process = self._environment.spawn(self._run, name=self.name, service=True)
        self._environment.run(until=lambda: self._is_ready or self._stopped)
        if not self._is_ready:
            raise SimulationError(f"{self.name} stopped before it was ready; its log says why")

    def stop(self) -> None:
        """Warm shutdown: what runs may end, nothing new is begun."""
        if self._stopped:
            return
        worker_state.should_stop = 0
        self._wake.notify_all()
        self._environment.run(until=lambda: self._stopped)
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()

    def abandon(self) -> None:
        """Forget the worker without running a line of it."""
        self._stopped = True
        self._undo.close()

    @property
    def running(self) -> list[str]:
        """The ids of the tasks whose body runs now."""
        return [] if self._stopped else list(self.controller.pool.running)

    @property
    def scheduled(self) -> list[str]:
        """The ids of the tasks that wait here for their ETA."""
        entries = (entry.entry for entry in self.controller.timer._queue)
        requests = (entry.args[0] for entry in entries if not entry.canceled and entry.args)
        return [request.id for request in requests if hasattr(request, "id")]

    @property
    def queues(self) -> set[str]:
        """The names of the queues it consumes."""
        return set() if self._stopped else set(self.app.amqp.queues.consume_from)

    # -- the process ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self.controller.start()
        self._stopped = True
        how = "died" if self.controller.exitcode else "warm"
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
