"""The apps of a simulation, the broker that they share, and who runs their tasks: workers, beats, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from retrysim.celery.beat import Beat
from retrysim.celery.brokers import BrokerKind, kind_of_broker, make_broker, results_in_redis
from retrysim.celery.conf_layer import lay_over
from retrysim.celery.controller import write_settings
from retrysim.celery.eager import EagerRunner
from retrysim.celery.finding import find_app
from retrysim.celery.forked import share_result_conditions
from retrysim.celery.hosting import Broker, become_current, borrow, fresh_tasks, looked_at, prepare, serve_transport
from retrysim.celery.left_out import left_out, left_out_by
from retrysim.celery.memory import MemoryBroker
from retrysim.celery.own_results import own_results
from retrysim.celery.process_globals import ProcessGlobals
from retrysim.celery.program import Program
from retrysim.celery.receivers import receivers_end_with
from retrysim.celery.result_conditions import ResultConditions
from retrysim.celery.secret_settings import learn_settings
from retrysim.celery.shared_memory import SharedMemory
from retrysim.celery.speaking import borrow_who_speaks
from retrysim.celery.worker import Worker
from retrysim.celery.worker_options import check_options
from retrysim.databases import Databases
from retrysim.errors import InputError, Unsupported
from retrysim.faults import Rules
from retrysim.network import Network
from retrysim.project import NO_WHOLE_WORKERS
from retrysim.trace import TaskSent, Trace
from retrysim.undo import UndoStack


class Crew:
    """Who runs the tasks of one simulation. The first app decides on the broker, unless ``choose_broker`` was called.

    ``importing`` gives the real clocks back while an app is imported: the user's modules are to see them.
    """

    def __init__(
        self,
        network: Network,
        trace: Trace,
        rules: Rules,
        conditions: ResultConditions,
        undo: UndoStack,
        databases: Databases,
        importing: Callable[[Any], AbstractContextManager[None]],
    ) -> None:
        self._network = network
        self._environment = network.environment
        self._trace = trace
        self._rules = rules
        self._conditions = conditions
        self._undo = undo
        self._databases = databases
        self._importing = importing
        #: the globals of each simulated process
        self.processes = ProcessGlobals(self._environment)
        self.workers: list[Worker] = []
        self._eager: EagerRunner | None = None
        self._always_eager = False
        #: all that have spoken, and those of them that something runs
        self._apps: list[Any] = []
        self._hosted: list[Any] = []
        #: what of their settings has no effect here
        self._left_out: list[str] = []
        #: what lets workers consume the queues in which tasks waited when the last run ended
        self._unconsumed: list[str] = []
        self._borrowing = False
        self._broker: Broker | None = None
        self._redis: Any = None
        #: whether pool processes are processes of the machine, where a worker does not say it itself
        self.isolated = False
        #: the settings that are laid over those of each app
        self.conf: Mapping[str, Any] = {}
        #: what pool processes share that are none of the machine
        self.memory = SharedMemory()
        share_result_conditions(self._environment.faces, conditions)

    @property
    def broker(self) -> Broker:
        """The broker; raises ``InputError`` while there is none."""
        if self._broker is None:
            raise InputError("there is no broker yet: start a worker first, or say which, Simulation(broker='redis')")
        return self._broker

    @property
    def notes(self) -> list[str]:
        """What was replaced or left out of each app, and what its broker says of the run."""
        return [*self._left_out, *self._unconsumed, *(() if self._broker is None else self._broker.notes)]

    @property
    def routed(self) -> dict[str, list[str]] | None:
        """The queues that each message was put into, as the broker notes them until somebody takes note."""
        return None if self._broker is None else self._broker.routed

    def choose_broker(self, kind: BrokerKind) -> None:
        shared = self._redis if kind == "redis" else None
        self._use_broker(shared or make_broker(kind, self._network, self._rules, self._conditions))

    def _use_broker(self, broker: Broker) -> None:
        self._broker = broker
        broker.connect(self._undo)
        serve_transport(self._undo, broker, broker.name)

    def connect(self) -> None:
        """From here on, an app that speaks is borrowed first: nothing that it sends leaves the simulation."""
        borrow_who_speaks(self._undo, self._is_borrowed, self._borrow_speaker)

    def serve_redis(self) -> None:
        """Answer every client of redis-py; by the broker itself, if that turns out to be a Redis."""
        self._redis = make_broker("redis", self._network, self._rules, self._conditions)
        self._redis.serve_every_client(self._undo)

    # -- who runs the tasks --------------------------------------------------------------------------------------------

    def start_worker(
        self,
        app: Any,
        *,
        concurrency: int,
        name: str | None,
        pool: str | None,
        options: dict[str, Any],
        isolated: bool | None = None,
    ) -> Worker:
        if self._eager is not None or self._always_eager:
            raise InputError("tasks of this simulation run eagerly: a worker would have nothing to do")
        if concurrency < 1:
            raise InputError(f"concurrency={concurrency}: a worker has at least one pool process")
        if options.get("beat"):
            raise InputError("beat=True would start a process of its own: use sim.start_beat(app) next to the worker")
        self.must_be_flag(isolated)
        name = name or f"worker-{len(self.workers) + 1}"
        if name in [worker.name for worker in self.workers]:
            raise InputError(f"there is a worker {name!r} already: give the second another name")
        hosted = self._host(app)
        check_options(hosted, options)
        if isolated or (isolated is None and self.isolated):
            self._environment.faces.must_be_able_to_fork()
        write_settings(self._undo, hosted)
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
                isolated=isolated,
                by_default_isolated=self.isolated,
                memory=self.memory,
            )
        self.workers.append(worker)
        self._left_out.extend(note for note in left_out_by(hosted, worker) if note not in self._left_out)
        worker.start()
        return worker

    @staticmethod
    def must_be_flag(isolated: object) -> None:
        """Raises ``Unsupported`` for whole workers, and ``InputError`` for what is no value of ``isolated``."""
        if isolated == "worker":
            raise Unsupported(f"isolated={NO_WHOLE_WORKERS.replace('write true', 'use isolated=True')}")
        if not isinstance(isolated, bool | None):
            raise InputError(f"isolated is True or False; got {isolated!r}")

    def start_beat(self, app: Any) -> Beat:
        if self._eager is not None or self._always_eager:
            raise InputError("tasks of this simulation run eagerly: beat sends to a queue; start a worker instead")
        beat = Beat(self._host(app), self._environment)
        beat.start()
        return beat

    def start_program(self, function: Callable[[], object], name: str) -> Program:
        program = Program(function, self._environment, name=name)
        program.start()
        return program

    def run_eagerly(self, app: Any) -> None:
        self._must_run_nothing()
        # No broker is needed: a message is delivered as it is sent.
        broker = MemoryBroker(self._environment, self._rules, self._conditions)
        self._use_broker(broker)
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
        if self._hosted:
            raise InputError("tasks of this simulation are run by something already: use a simulation for each way")
        if self._apps:
            names = " and ".join(repr(app.main) for app in self._apps)
            raise InputError(
                f"the app {names} has used its broker or its results already: say first that tasks run eagerly, "
                "then submit them"
            )

    def _host(self, app: Any, *, always_eager: bool = False) -> Any:
        if any(app is hosted for hosted in self._hosted):
            return app
        with self._importing(app):
            found = find_app(app)
            with self._nobody_borrowed():
                prepare(found)
        self._databases.connect(self._undo)
        if self._is_borrowed(found):
            fresh_tasks(self._undo, found)  # it spoke before these were imported
        else:
            self._borrow(found, always_eager=always_eager)
        if not any(found is hosted for hosted in self._hosted):
            become_current(self._undo, found)
            self._hosted.append(found)
        return found

    # -- whose messages stay here --------------------------------------------------------------------------------------

    def _is_borrowed(self, app: Any) -> bool:
        return self._borrowing or any(app is one for one in self._apps)

    def _borrow_speaker(self, app: Any) -> None:
        """Borrow an app of which nobody has said that it is part of this simulation."""
        self._borrow(app, always_eager=False)

    def _borrow(self, app: Any, *, always_eager: bool) -> None:
        with self._nobody_borrowed():
            if self._broker is None:
                self.choose_broker(kind_of_broker(app))
            with looked_at(app):
                # What the app keeps after the simulation is made by its own settings.
                app.finalize(auto=True)
                app.backend  # noqa: B018 - evaluates what is lazy
                lay_over(self._undo, app, self.conf)
                make_results = self._results_of(app)
                kept = make_results is not None
                self._left_out.extend(left_out(app, self.broker, always_eager=always_eager, keeps_results=kept))
                borrow(
                    self._undo,
                    app,
                    self.broker,
                    self._environment,
                    self.processes,
                    always_eager=always_eager,
                    make_results=make_results,
                )
            self._apps.append(app)
            learn_settings(self._trace.redact, app)

    def _results_of(self, app: Any) -> Callable[[], Any] | None:
        """Makes the app's own result backend, if there is one here: tables, the broker, or a Redis.

        Next to the memory transport, which is for who wants speed, something simpler stands in for a Redis.
        """
        own = own_results(app, self._environment, self._conditions) or self.broker.results(app)
        if own is None and self._redis is None and self.broker.kind == "rabbitmq" and results_in_redis(app):
            self._redis = make_broker("redis", self._network, self._rules, self._conditions)
            self._redis.serve(self._undo)
        return own or (None if self._redis is None else self._redis.results(app))

    @contextmanager
    def _nobody_borrowed(self) -> Iterator[None]:
        """A block in which an app is looked at, and does not speak."""
        before, self._borrowing = self._borrowing, True
        try:
            yield
        finally:
            self._borrowing = before

    def refuse_to_run_nothing(self, sent: Sequence[TaskSent]) -> None:
        """Raise ``InputError`` if tasks were sent, and nobody runs them."""
        if sent and not self._hosted:
            raise InputError(
                f"{sent[0].name} was sent, and there is no worker: call sim.start_worker(app) before sim.run(), or "
                "sim.run_eagerly(app) before a task is sent"
            )

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
        waiting = {queue: task_ids for queue, task_ids in self._broker.waiting().items() if task_ids}
        of_each = [worker.queues for worker in self.workers] if waiting else []  # which asks each, on its own host
        consumed: set[str] = set().union(*of_each)
        self._unconsumed = list(_how_to_consume(waiting.keys() - consumed, consumed)) if all(of_each) else []
        for queue, task_ids in waiting.items():
            phrase = f"it waits in queue {queue!r}" + ("" if queue in consumed else ", which nobody consumes")
            yield from ((task_id, phrase) for task_id in task_ids)
        yield from self._broker.unacked().items()
        runners: list[Worker | EagerRunner] = [*self.workers, *([self._eager] if self._eager else [])]
        for runner in runners:
            yield from ((task_id, "it waits for its ETA") for task_id in runner.scheduled)
            yield from ((task_id, "its body is running") for task_id in runner.running)


def _how_to_consume(waiting: Set[str], consumed: Set[str]) -> Iterator[str]:
    """What to write where workers are there, and none of them consumes the queues in which tasks wait."""
    if waiting and consumed:
        queues = sorted(waiting | consumed)
        yield (
            f"no worker consumes {' or '.join(map(repr, sorted(waiting)))}: start one with queues={queues}, "
            f"in a scenario workers: {{queues: [{', '.join(queues)}]}}"
        )
