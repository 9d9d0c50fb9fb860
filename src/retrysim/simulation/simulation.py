"""The simulation: one object that holds a run together, from the first patch to the last undo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from retrysim.celery.beat import Beat
from retrysim.celery.brokers import known_kind
from retrysim.celery.hosting import draw_task_ids, is_prepared, joins_block_in_workers_only
from retrysim.celery.program import Program
from retrysim.celery.recorder import Recorder
from retrysim.celery.result_weather import ResultWeather
from retrysim.celery.signals import log_what_handlers_say
from retrysim.celery.tracebacks import remember_code_positions
from retrysim.celery.worker import Worker
from retrysim.clock import VirtualClock, to_datetime
from retrysim.databases import Databases
from retrysim.durations import Duration, parse_duration, to_timedelta
from retrysim.errors import InputError
from retrysim.faults import Message, MessageRule, Rules
from retrysim.kernel import Environment, Limits, Streams
from retrysim.patches import HeldLock, Reality, begin_randomness, virtual_clocks, virtual_threading
from retrysim.simulation.broker import BrokerHandle
from retrysim.simulation.crash import explained, is_ours
from retrysim.simulation.crew import Crew
from retrysim.simulation.deadlock import deadlock, explanation
from retrysim.simulation.network import Network
from retrysim.simulation.results import ResultsHandle
from retrysim.simulation.run_view import RunView
from retrysim.simulation.start import start_instant_ns
from retrysim.simulation.views import QueueView, queue_view
from retrysim.trace import ApiCalled, Event, FaultFired, RunEnded, TaskSent, Trace, Waste, waste_of
from retrysim.undo import UndoStack

if TYPE_CHECKING:
    from retrysim.fakes.fake import Fake

#: When a simulation begins, unless told: a Wednesday, at noon.
START = "2020-01-01T12:00:00Z"


class Simulation(RunView):
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
        super().__init__(Trace(seed=seed, start_ns=start_instant_ns(start)), seed=seed)
        self._streams = Streams(seed)
        self.environment = Environment(VirtualClock(self.trace.start_ns), limits=limits)
        self._kind_of_broker = None if broker is None else known_kind(broker)
        self._serves_redis = redis
        self._undo = UndoStack()
        self._library = ExitStack()
        self._reality = Reality(self.environment, *allow, strict=strict)
        self._databases = Databases(self.environment, self._reality)
        rules, weather = Rules(self._note_strike), ResultWeather(self.environment)
        self._crew = Crew(self.environment, self.trace, rules, weather, self._undo, self._databases, self._importing)
        #: a look into the broker, and its faults: ``sim.broker.restart()``
        self.broker = BrokerHandle(lambda: self._crew.broker, self.environment, rules, self.note_fault)
        #: the faults of storing results: ``sim.results.slow("5s")``
        self.results = ResultsHandle(weather, self.note_fault)
        self._network = Network(self.trace, self.environment, self._reality, strict=strict)
        self._recorder = Recorder(self.environment, self.trace, self._network.redact)
        self._recorder.routed = lambda: self._crew.routed
        self._network.attempt_of = self._recorder.attempt_of
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
            self.environment.explain = lambda: explanation(self.environment, self.locks_of_the_dead)
            self.environment.standpoint.on_host = self._crew.processes.enter
            log_what_handlers_say(self._undo)
            self._recorder.connect(self._undo)
            self.trace.observers.append(self._crew.notice)
            self._network.connect(self._undo)
            if self._serves_redis:
                self._crew.serve_redis()
            if self._kind_of_broker is not None:
                self._crew.choose_broker(self._kind_of_broker)
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
            self._crew.end(warm=warm and not self._failed)
        finally:
            self.environment.abandon_all()
            self._crew.processes.enter(None)
            self._undo.close()

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
    def _importing(self, app: Any) -> Iterator[None]:
        """Real clocks and dates while an app is imported: classes that are defined under virtual ones would keep them.

        The module ``random`` is seeded again, also for an app of which nothing is left to be imported: what it draws
        must not depend on that.
        """
        if is_prepared(app):
            begin_randomness(self._streams)
            yield
            return
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
        return self._crew.start_worker(app, concurrency=concurrency, name=name, pool=pool, options=options)

    def start_beat(self, app: Any) -> Beat:
        """Start Celery's beat for an app; its entries are sent while time passes: ``run_for("30 days")``.

        A beat never keeps ``run()`` going, which ends when everything else is idle.
        """
        self._must_be_open()
        return self._crew.start_beat(app)

    def start_program(self, function: Callable[..., object], *args: Any, name: str | None = None) -> Program:
        """Run ``function(*args)`` beside the workers, as a process of its own whose waits are virtual.

        For a monitor, say, that captures events while the simulation runs: a thread of the test would wait in real
        time. Like a beat it keeps no run alive. What it raises ends the run as an ``AppError``.
        """
        self._must_be_open()
        return self._crew.start_program(partial(function, *args), str(name or getattr(function, "__name__", "program")))

    def run_eagerly(self, app: Any) -> None:
        """No worker: a task runs where it is submitted, its retry is scheduled on the virtual clock."""
        self._must_be_open()
        self._crew.run_eagerly(app)

    def run_always_eagerly(self, app: Any) -> None:
        """Celery's own ``task_always_eager``: to see what it makes of retries."""
        self._must_be_open()
        self._crew.run_always_eagerly(app)

    @property
    def workers(self) -> list[Worker]:
        """The workers that were started, also those that have stopped since."""
        return self._crew.workers

    def known_tasks(self) -> list[str]:
        """The names of all tasks of the apps that were started, Celery's own left out."""
        return self._crew.known_tasks()

    def _must_be_open(self) -> None:
        if not self._open:
            raise InputError("the simulation has not begun: use `with Simulation() as sim:` or the fixture `sim`")

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
        if idle and self.environment.blocked():
            raise deadlock(self.environment, self.locks_of_the_dead)

    def _note_end(self, idle: bool) -> None:
        blocked = tuple(process.name for process in self.environment.blocked()) if idle else ()
        at_ns = self.environment.clock.ns
        self.trace.append(RunEnded(at_ns=at_ns, idle=idle, holding=tuple(self._crew.holding()), blocked=blocked))

    def queue(self, name: str) -> QueueView:
        """A queue as it stands now: ``sim.queue("celery").depth``. Raises ``InputError`` for one that there is not."""
        return queue_view(name, self._crew.broker.waiting(), self.trace, self._crew.consumed)

    @property
    def waste(self) -> list[Waste]:
        """What the calls cost beside what the limits allow, for each caller of each limit."""
        return waste_of(self.trace.of(ApiCalled), self._network.optimum_ns)
