"""The apps of a simulation, the broker that they share, and who runs their tasks: workers, beats, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from retrysim.celery.beat import Beat
from retrysim.celery.brokers import kind_of_broker, make_broker
from retrysim.celery.eager import EagerRunner
from retrysim.celery.finding import find_app
from retrysim.celery.hosting import Broker, borrow, prepare
from retrysim.celery.memory import MemoryBroker
from retrysim.celery.process_globals import ProcessGlobals
from retrysim.celery.program import Program
from retrysim.celery.receivers import receivers_end_with
from retrysim.celery.result_weather import ResultWeather
from retrysim.celery.worker import Worker
from retrysim.databases import Databases
from retrysim.errors import InputError
from retrysim.faults import Rules
from retrysim.kernel import Environment
from retrysim.trace import Event, TaskSent, Trace
from retrysim.undo import UndoStack


class Crew:
    """Who runs the tasks of one simulation. The first app decides on the broker, unless ``choose_broker`` was called.

    ``importing`` gives the real clocks back while an app is imported: the user's modules are to see them.
    """

    def __init__(
        self,
        environment: Environment,
        trace: Trace,
        rules: Rules,
        weather: ResultWeather,
        undo: UndoStack,
        databases: Databases,
        importing: Callable[[Any], AbstractContextManager[None]],
    ) -> None:
        self._environment = environment
        self._trace = trace
        self._rules = rules
        self._weather = weather
        self._undo = undo
        self._databases = databases
        self._importing = importing
        #: the globals of each simulated process
        self.processes = ProcessGlobals()
        self.workers: list[Worker] = []
        self._eager: EagerRunner | None = None
        self._always_eager = False
        self._apps: list[Any] = []
        self._broker: Broker | None = None
        self._redis: Any = None

    @property
    def broker(self) -> Broker:
        """The broker; raises ``InputError`` while there is none."""
        if self._broker is None:
            raise InputError("there is no broker yet: start a worker first, or say which, Simulation(broker='redis')")
        return self._broker

    @property
    def routed(self) -> dict[str, list[str]] | None:
        """The queues that each message was put into, as the broker notes them until somebody takes note."""
        return None if self._broker is None else self._broker.routed

    def choose_broker(self, kind: str) -> None:
        shared = self._redis if kind == "redis" else None
        self._broker = broker = shared or make_broker(kind, self._environment, self._rules, self._weather)
        broker.connect(self._undo)

    def notice(self, event: Event) -> None:
        """Raises ``InputError`` for a task that was sent before any app had its simulated broker."""
        if isinstance(event, TaskSent) and not self._apps:
            raise InputError(
                f"{event.name} was sent to the real broker of its app, for no app is part of this simulation yet: "
                "call sim.start_worker(app) or sim.run_eagerly(app) before a task is sent"
            )

    def serve_redis(self) -> None:
        """Answer every client of redis-py; by the broker itself, if that turns out to be a Redis."""
        self._redis = make_broker("redis", self._environment, self._rules, self._weather)
        self._redis.serve_every_client(self._undo)

    # -- who runs the tasks --------------------------------------------------------------------------------------------

    def start_worker(
        self, app: Any, *, concurrency: int, name: str | None, pool: str | None, options: dict[str, Any]
    ) -> Worker:
        if self._eager is not None or self._always_eager:
            raise InputError("tasks of this simulation run eagerly: a worker would have nothing to do")
        if concurrency < 1:
            raise InputError(f"concurrency={concurrency}: a worker has at least one pool process")
        if options.get("beat"):
            raise InputError("beat=True would start a process of its own: use sim.start_beat(app) beside the worker")
        name = name or f"worker-{len(self.workers) + 1}"
        if name in [worker.name for worker in self.workers]:
            raise InputError(f"there is a worker {name!r} already: give the second another name")
        hosted = self._host(app)
        with receivers_end_with(self._undo):
            worker = Worker(
                hosted,
                self._environment,
                self.broker,
                self._trace,
                concurrency=concurrency,
                name=name,
                pool=pool,
                options=options,
                globals_of=self.processes,
            )
        self.workers.append(worker)
        worker.start()
        return worker

    def start_beat(self, app: Any) -> Beat:
        if self._eager is not None or self._always_eager:
            raise InputError("tasks of this simulation run eagerly: beat sends to a queue; start a worker instead")
        beat = Beat(self._host(app), self._environment, self.broker, self.processes)
        beat.start()
        return beat

    def start_program(self, function: Callable[[], object], name: str) -> Program:
        program = Program(function, self._environment, self.broker, self.processes, name=name)
        program.start()
        return program

    def run_eagerly(self, app: Any) -> None:
        self._must_run_nothing()
        # No broker is needed: a message is delivered as it is sent.
        self._broker = broker = MemoryBroker(self._environment, self._rules, self._weather)
        self._eager = EagerRunner(self._host(app), broker, self._environment)
        self._undo.callback(self._eager.close)

    def run_always_eagerly(self, app: Any) -> None:
        self._must_run_nothing()
        self._always_eager = True
        self._host(app, always_eager=True)

    def end(self, *, warm: bool) -> None:
        """Stop the workers on which nothing runs, the last one first, and let the others as they stand."""
        for worker in reversed(self.workers):
            if warm and not worker.running:
                worker.stop()
            else:
                worker.abandon()

    def _must_run_nothing(self) -> None:
        if self._apps:
            raise InputError("tasks of this simulation are run by something already: use a simulation for each way")

    def _host(self, app: Any, *, always_eager: bool = False) -> Any:
        if any(app is hosted for hosted in self._apps):
            return app
        with self._importing(app):
            found = find_app(app)
            prepare(found)
        self._databases.connect(self._undo)
        if self._broker is None:
            self.choose_broker(kind_of_broker(found))
        if not any(found is hosted for hosted in self._apps):
            borrow(self._undo, found, self.broker, self._environment, self.processes, always_eager=always_eager)
            self._apps.append(found)
        return found

    # -- where everything is -------------------------------------------------------------------------------------------

    def known_tasks(self) -> list[str]:
        names = {name for app in self._apps for name in app.tasks if not name.startswith("celery.")}
        return sorted(names)

    @property
    def consumed(self) -> set[str]:
        """The queues from which some worker takes messages."""
        return {queue for worker in self.workers for queue in worker.queues}

    def holding(self) -> Iterator[tuple[str, str]]:
        """Where the message of each unsettled task is: (task id, a phrase)."""
        if self._broker is None:
            return
        consumed = self.consumed
        for queue, task_ids in self._broker.waiting().items():
            phrase = f"it waits in queue {queue!r}" + ("" if queue in consumed else ", which nobody consumes")
            yield from ((task_id, phrase) for task_id in task_ids)
        yield from self._broker.unacked().items()
        runners: list[Worker | EagerRunner] = [*self.workers, *([self._eager] if self._eager else [])]
        for runner in runners:
            yield from ((task_id, "it waits for its ETA") for task_id in runner.scheduled)
            yield from ((task_id, "its body is running") for task_id in runner.running)
