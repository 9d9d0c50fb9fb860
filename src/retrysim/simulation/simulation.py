"""The simulation: one object that holds a run together, from the first patch to the last undo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from retrysim.celery.beat import Beat
from retrysim.celery.brokers import kind_of_broker, known_kind, make_broker
from retrysim.celery.eager import EagerRunner
from retrysim.celery.finding import find_app
from retrysim.celery.hosting import Broker, borrow, draw_task_ids, joins_block_in_workers_only, prepare
from retrysim.celery.memory import MemoryBroker
from retrysim.celery.process_globals import ProcessGlobals
from retrysim.celery.receivers import receivers_end_with
from retrysim.celery.recorder import Recorder
from retrysim.celery.result_weather import ResultWeather
from retrysim.celery.signals import log_what_handlers_say
from retrysim.celery.tracebacks import remember_code_positions
from retrysim.celery.worker import Worker
from retrysim.clock import VirtualClock, to_datetime
from retrysim.databases import Databases
from retrysim.durations import Duration, parse_duration, to_timedelta
from retrysim.errors import Deadlock, InputError
from retrysim.faults import Message, MessageRule, Rules
from retrysim.invariants import DEFAULT, VACUOUS_IS_FINE, Invariant, base_name, judge
from retrysim.kernel import Environment, Limits, Streams
from retrysim.outcomes.verdict import raise_findings
from retrysim.patches import HeldLock, Reality, virtual_clocks, virtual_threading
from retrysim.simulation.broker import BrokerHandle
from retrysim.simulation.crash import explained, is_ours
from retrysim.simulation.network import Network
from retrysim.simulation.results import ResultsHandle
from retrysim.simulation.start import start_instant_ns
from retrysim.simulation.views import Published, QueueView, Wanted, published, queue_view
from retrysim.trace import (
    ApiCalled,
    Event,
    FaultFired,
    RunEnded,
    TaskHistory,
    TaskSent,
    Trace,
    Waste,
    is_named,
    waste_of,
)
from retrysim.undo import UndoStack

if TYPE_CHECKING:
    from retrysim.fakes.fake import Fake

#: When a simulation begins, unless told: a Wednesday, at noon.
START = "2020-01-01T12:00:00Z"


class Simulation:
    """A real Celery app in virtual time. Use it as a context manager, or as the fixture ``sim``.

    ``seed`` decides every random draw and every task id; ``start`` is the first instant (an aware ``datetime`` or an
    ISO text with a zone); ``broker`` is the kind that is simulated, ``"memory"`` or ``"redis"`` (by default that of the
    first app's own URL); with ``redis`` the simulated Redis, the broker's own if that is one, answers every client of
    redis-py (locks, caches), whatever host it names; ``allow`` lists hosts that tasks may really call
    (``"localhost:5432"``), and unless it is ``strict`` they may call any; ``limits`` say when a run is a runaway.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        start: str | datetime = START,
        broker: str | None = None,
        redis: bool = False,
        allow: Iterable[str] = (),
        strict: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self.seed = seed
        self.trace = Trace(seed=seed, start_ns=start_instant_ns(start))
        self._streams = Streams(seed)
        self.environment = Environment(VirtualClock(self.trace.start_ns), limits=limits)
        self._rules = Rules(self._note_strike)
        self._weather = ResultWeather(self.environment)
        self._kind_of_broker = None if broker is None else known_kind(broker)
        self._chosen_broker: Broker | None = None
        self._redis = self._make_broker("redis") if redis else None
        #: a look into the broker, and its faults: ``sim.broker.restart()``
        self.broker = BrokerHandle(lambda: self._broker, self.environment, self._rules, self.note_fault)
        #: the faults of storing results: ``sim.results.slow("5s")``
        self.results = ResultsHandle(lambda: self._weather, self.note_fault)
        self._reality = Reality(self.environment, *allow, strict=strict)
        self._network = Network(self.trace, self.environment, self._reality, strict=strict)
        self._recorder = Recorder(self.environment, self.trace, self._network.redact)
        self._network.attempt_of = self._recorder.attempt_of
        self._databases = Databases(self.environment, self._reality)
        self._undo = UndoStack()
        self._library = ExitStack()
        self._processes = ProcessGlobals()
        self.workers: list[Worker] = []
        self._eager: EagerRunner | None = None
        self._always_eager = False
        self._apps: list[Any] = []
        #: the line that runs this test again, where somebody knows it
        self.replay: str | None = None
        self._open = False
        self._failed = False

    # -- life ----------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Begin: from here on time is virtual."""
        if self._open:
            raise InputError("this simulation has begun already; a simulation is used once")
        self._open = True
        with self._undo_on_error():
            self._undo.enter_context(virtual_threading(self.environment, self._reality))
            self._undo.callback(self._library.close)
            self._freeze()
            remember_code_positions(self._undo)
            draw_task_ids(self._undo, self._streams["task ids"])
            joins_block_in_workers_only(self._undo, self.environment)
            self.environment.on_host = self._processes.enter
            log_what_handlers_say(self._undo)
            self._recorder.connect(self._undo)
            self._network.connect(self._undo)
            if self._redis is not None:
                self._redis.serve_every_client(self._undo)
            if self._kind_of_broker is not None:
                self._choose_broker(self._kind_of_broker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close(warm=error is None)

    def close(self, *, warm: bool = True) -> None:
        """End: stop the worker if nothing runs on it (else it is left as it stands), and undo every patch."""
        if not self._open:
            return
        self._open = False
        try:
            for worker in reversed(self.workers):
                self._end_worker(worker, warm=warm)
        finally:
            self.environment.abandon_all()
            self._processes.enter(None)
            self._undo.close()

    def _end_worker(self, worker: Worker, *, warm: bool) -> None:
        if warm and not self._failed and not worker.running:
            worker.stop()
        else:
            worker.abandon()

    @contextmanager
    def _undo_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._undo.close()
            raise

    def _freeze(self) -> None:
        self._library.enter_context(virtual_clocks(self.environment, self._streams))

    @contextmanager
    def _real_time(self) -> Iterator[None]:
        """Real clocks and dates for a moment: classes that are defined under virtual ones would keep them."""
        self._library.close()
        try:
            yield
        finally:
            self._freeze()

    # -- the app and who runs its tasks --------------------------------------------------------------------------------

    def serve(self, fake: Fake, *, at: str | None = None) -> Any:
        """From here on the fake's hosts (or the URL ``at``) are this fake, for any HTTP client. Returns the fake."""
        return self._network.serve(fake, at)

    def allow(self, what: str) -> None:
        """Let tasks do something real: call a host (``"localhost:5432"``, or without a port), or take real time by
        ``"threads"``, ``"subprocess"`` or ``"select"``.
        """
        self._reality.allow(what)

    @property
    def locks_of_the_dead(self) -> list[HeldLock]:
        """The locks whose holders were killed: nobody will release them."""
        return self._reality.locks.held_by_the_dead

    @property
    def notes(self) -> list[str]:
        """What ran in real time beside the simulation and was let be: the threads of telemetry SDKs."""
        return list(self._reality.notes)

    def start_worker(
        self, app: Any, *, concurrency: int = 1, name: str | None = None, pool: str | None = None, **options: Any
    ) -> Worker:
        """Start a worker for an app (or what ``celery -A`` takes), as ``celery.contrib.testing.worker`` does.

        ``name`` is its node name, by default ``worker-1``, ``worker-2``, ...; ``pool`` what ``celery worker -P`` takes
        (``prefork``, ``threads``, ``gevent``, ``solo``), by default the app's ``worker_pool``; ``options`` are those of
        ``celery.worker.WorkController`` (``queues``, ``without_heartbeat``, ...).
        """
        self._must_be_open()
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
                self.environment,
                self._broker,
                self.trace,
                concurrency=concurrency,
                name=name,
                pool=pool,
                options=options,
                globals_of=self._processes,
            )
        self.workers.append(worker)
        worker.start()
        return worker

    def start_beat(self, app: Any) -> Beat:
        """Start Celery's beat for an app; its entries are sent while time passes: ``run_for("30 days")``.

        A beat never keeps ``run()`` going, which ends when everything else is idle.
        """
        self._must_be_open()
        if self._eager is not None or self._always_eager:
            raise InputError("tasks of this simulation run eagerly: beat sends to a queue; start a worker instead")
        beat = Beat(self._host(app), self.environment, self._broker, self._processes)
        beat.start()
        return beat

    def run_eagerly(self, app: Any) -> None:
        """No worker: a task runs where it is submitted, its retry is scheduled on the virtual clock."""
        self._must_run_nothing()
        broker = MemoryBroker(self.environment, self._rules, self._weather)
        self._chosen_broker = broker  # none is needed: a message is delivered as it is sent
        self._eager = EagerRunner(self._host(app), broker, self.environment)
        self._undo.callback(self._eager.close)

    def run_always_eagerly(self, app: Any) -> None:
        """Celery's own ``task_always_eager``: to see what it makes of retries."""
        self._must_run_nothing()
        self._always_eager = True
        self._host(app, always_eager=True)

    def known_tasks(self) -> list[str]:
        """The names of all tasks of the apps that were started, Celery's own left out."""
        names = {name for app in self._apps for name in app.tasks if not name.startswith("celery.")}
        return sorted(names)

    @property
    def _broker(self) -> Broker:
        if self._chosen_broker is None:
            raise InputError("there is no broker yet: start a worker first, or say which, Simulation(broker='redis')")
        return self._chosen_broker

    def _choose_broker(self, kind: str) -> None:
        shared = self._redis if kind == "redis" else None
        self._chosen_broker = broker = shared or self._make_broker(kind)
        broker.connect(self._undo)

    def _make_broker(self, kind: str) -> Any:
        return make_broker(kind, self.environment, self._rules, self._weather)

    def _must_be_open(self) -> None:
        if not self._open:
            raise InputError("the simulation has not begun: use `with Simulation() as sim:` or the fixture `sim`")

    def _must_run_nothing(self) -> None:
        self._must_be_open()
        if self._apps:
            raise InputError("tasks of this simulation are run by something already: use a simulation for each way")

    def _host(self, app: Any, *, always_eager: bool = False) -> Any:
        if any(app is hosted for hosted in self._apps):
            return app
        with self._real_time():
            found = find_app(app)
            prepare(found)
        self._databases.connect(self._undo)
        if self._chosen_broker is None:
            self._choose_broker(kind_of_broker(found))
        if not any(found is hosted for hosted in self._apps):
            borrow(self._undo, found, self._broker, self.environment, self._processes, always_eager=always_eager)
            self._apps.append(found)
        return found

    # -- faults --------------------------------------------------------------------------------------------------------

    def note_fault(self, name: str, verb: str, target: str) -> None:
        """Write into the trace that something was broken, or mended."""
        self.trace.append(FaultFired(at_ns=self.environment.clock.ns, name=name, verb=verb, target=target))

    def _note_strike(self, rule: MessageRule, message: Message) -> None:
        target = f"{message.task}[{message.task_id}] in queue {message.queue}"
        self.note_fault(rule.name, rule.verdict.verb, target)

    # -- time ----------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The virtual instant, as an aware UTC ``datetime``."""
        return to_datetime(self.environment.clock.ns)

    @property
    def elapsed(self) -> timedelta:
        """Virtual time since the start."""
        return to_timedelta(self.environment.clock.ns - self.trace.start_ns)

    def run(self, until: Callable[[], bool] | datetime | None = None) -> None:
        """Run until idle, until a condition holds, or until an instant.

        A condition is looked at after every event of the trace, and the world stops right there: inside the call of a
        fake, between a task's result and its ack. What was running goes on with the next run.

        Raises ``Deadlock`` when a task waits for what can never come, ``Runaway`` when a limit is crossed.
        """
        if isinstance(until, datetime):
            self._run(until_ns=start_instant_ns(until))
        else:
            self._run(until=until)
            if until is None and not self.trace.of(TaskSent):
                self._databases.refuse_to_run_nothing()

    def run_for(self, duration: Duration) -> None:
        """Run that much virtual time: ``"15 minutes"``, seconds, or a ``timedelta``."""
        self._run(until_ns=self.environment.clock.ns + parse_duration(duration))

    def _run(self, *, until: Callable[[], bool] | None = None, until_ns: int | None = None) -> None:
        idle = False
        observers = self.trace.observers

        def look(_event: Event) -> None:
            if until is not None and self.environment.holds(until):
                self.environment.stop()

        observers.append(look)
        try:
            self.environment.run(until=until, until_ns=until_ns)
            idle = until is None and until_ns is None
        except BaseException as error:
            self._failed = True
            if isinstance(error, Exception) and is_ours(error):
                raise explained(error, self.trace) from error
            raise
        finally:
            observers.remove(look)
            self._note_end(idle)
        if idle and (blocked := self.environment.blocked()):
            names = "; ".join(f"{p.name} waits for {p.wait.condition.name}" for p in blocked if p.wait is not None)
            dead = "".join(f"\n  {held.what} is held by {held.holder.name}" for held in self.locks_of_the_dead)
            raise Deadlock(f"nothing is left that could happen, but {names}" + (dead and f"\nKilled with locks:{dead}"))

    def _note_end(self, idle: bool) -> None:
        blocked = tuple(process.name for process in self.environment.blocked()) if idle else ()
        at_ns = self.environment.clock.ns
        self.trace.append(RunEnded(at_ns=at_ns, idle=idle, holding=tuple(self._holding()), blocked=blocked))

    def _holding(self) -> Iterator[tuple[str, str]]:
        """Where the message of each unsettled task is: (task id, a phrase)."""
        if self._chosen_broker is None:
            return
        consumed = {queue for worker in self.workers for queue in worker.queues}
        for queue, task_ids in self._broker.waiting().items():
            phrase = f"it waits in queue {queue!r}" + ("" if queue in consumed else ", which nobody consumes")
            yield from ((task_id, phrase) for task_id in task_ids)
        yield from self._broker.unacked().items()
        runners: list[Worker | EagerRunner] = [*self.workers, *([self._eager] if self._eager else [])]
        for runner in runners:
            yield from ((task_id, "it waits for its ETA") for task_id in runner.scheduled)
            yield from ((task_id, "its body is running") for task_id in runner.running)

    # -- what happened -------------------------------------------------------------------------------------------------

    @property
    def states(self) -> Counter[str]:
        """How many tasks are in which state: ``{"SUCCESS": 200}``."""
        return self.trace.states

    def task(self, task_id: str) -> TaskHistory:
        """All that happened to one task. Raises ``InputError`` for an id that was never sent."""
        try:
            return self.trace.tasks[task_id]
        except KeyError:
            raise InputError(f"no task {task_id!r} in this run: {len(self.trace.tasks)} others were sent") from None

    def tasks(self, *, name: str | None = None, state: str | None = None) -> list[TaskHistory]:
        """The tasks of a name and a state, in the order in which they were sent."""
        return [
            task
            for task in self.trace.tasks.values()
            if (name is None or is_named(task.name, name)) and state in (None, task.state)
        ]

    def queue(self, name: str) -> QueueView:
        """A queue as it stands now: ``sim.queue("celery").depth``. Raises ``InputError`` for one that there is not."""
        consumed = {queue for worker in self.workers for queue in worker.queues}
        return queue_view(name, self._broker.waiting(), self.trace, consumed)

    def published(
        self,
        *,
        task: str | None = None,
        count: int | None = None,
        eta: datetime | Duration | None = None,
        queue: str | None = None,
        retries: int | None = None,
    ) -> Published:
        """The messages that were published so far; raises ``Violation`` if they are not ``count`` (or none at all).

        ``task`` is a task's name or its end, ``eta`` an aware ``datetime`` or a delay from the sending
        (``"15 minutes"``, seconds, a ``timedelta``), ``retries`` 0 for submissions, 1 for first retries, ... .
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        return published(self.trace, Wanted(task=task, queue=queue, retries=retries, eta=eta), count)

    @property
    def waste(self) -> list[Waste]:
        """What the calls cost beside what the limits allow, for each caller of each limit."""
        return waste_of(self.trace.of(ApiCalled))

    def check(self, *invariants: Invariant) -> None:
        """Judge the run by the default invariants and these; raises ``Violation`` with all that is wrong.

        One of the default invariants that is given with arguments takes the place of the default one:
        ``sim.check(no_task_fails(but="fetch_tweets"))``.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        asked = {base_name(invariant) for invariant in invariants}
        defaults = [invariant for invariant in DEFAULT if invariant.__name__ not in asked]
        findings = judge(self.trace, (*defaults, *invariants), vacuous_is_fine=VACUOUS_IS_FINE - asked)
        raise_findings(self.trace, findings, replay=self.replay or f"Simulation(seed={self.seed})")
