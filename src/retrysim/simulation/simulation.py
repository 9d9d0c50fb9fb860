"""The simulation: one object that holds a run together, from the first patch to the last undo."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from celery._state import get_current_task

from retrysim.celery.beat import Beat
from retrysim.celery.brokers import BrokerKind, known_kind
from retrysim.celery.conf_settings import must_be_settings
from retrysim.celery.expired import expire_at_the_instant
from retrysim.celery.forked import share_recorder
from retrysim.celery.hosting import (
    draw_task_ids,
    is_prepared,
    joins_block_in_workers_only,
    list_settings_of_the_apps_own,
)
from retrysim.celery.library_warnings import warnings_of_a_worker
from retrysim.celery.own_tasks import forget_shared_tasks
from retrysim.celery.pools.current_process import own_current_process
from retrysim.celery.program import Program
from retrysim.celery.receivers import receivers_are_inside
from retrysim.celery.recorder import Recorder
from retrysim.celery.result_conditions import ResultConditions
from retrysim.celery.signals import log_what_handlers_say
from retrysim.celery.tracebacks import leave_our_frames_out, remember_code_positions
from retrysim.celery.worker import Worker
from retrysim.clock import GRID_NS, VirtualClock, to_datetime
from retrysim.databases import Databases
from retrysim.durations import Duration, format_duration, format_skew, parse_duration, parse_skew, to_timedelta
from retrysim.errors import InputError, SimulationError, UnservedHost
from retrysim.fakes.disturbances import SLOW
from retrysim.fakes.fake import Fake
from retrysim.fakes.idempotency import Idempotency
from retrysim.fakes.trouble import FailureMode
from retrysim.faults import CallRule, MessageRule, Rules, TaskMessage
from retrysim.faults.targets import SENDER
from retrysim.foreign_names import check_foreign_names
from retrysim.kernel import Environment, Limits, Streams
from retrysim.kernel.disposal import set_aside_what_exists
from retrysim.kernel.interrupts import close_at_once, deferred_interrupts
from retrysim.nearest import did_you_mean
from retrysim.network import Network
from retrysim.outside import (
    Barrier,
    guard_connections_opened_before,
    guard_files,
    must_be_files,
    permit_for,
    stand_between,
)
from retrysim.patches import (
    HeldLock,
    Reality,
    begin_randomness,
    keep_interpreter_settings,
    standing_of,
    virtual_clocks,
    virtual_threading,
)
from retrysim.patches.own_places import own_places
from retrysim.simulation.api import APIHandle
from retrysim.simulation.broker import BrokerHandle
from retrysim.simulation.crash import explained_bugs, explains_bugs
from retrysim.simulation.crew import Crew
from retrysim.simulation.deadlock import Waiting
from retrysim.simulation.forked import share_fakes, share_streams
from retrysim.simulation.forked_coverage import share_coverage
from retrysim.simulation.forked_speech import share_speech
from retrysim.simulation.late import late
from retrysim.simulation.results import ResultsHandle
from retrysim.simulation.run_view import RunView
from retrysim.simulation.served_fakes import ServedFakes
from retrysim.simulation.start import start_instant_ns
from retrysim.simulation.views import QueueView, queue_view
from retrysim.trace import ApiCalled, Event, FaultFired, RunEnded, TaskSent, Trace, Waste, WorkerLogged, waste_of
from retrysim.undo import UndoStack
from retrysim.versions import warn_of_untested_versions

AnyFake = TypeVar("AnyFake", bound=Fake)
#: When a simulation begins, unless told: a Wednesday, at noon.
START = "2020-01-01T12:00:00Z"


class Simulation(RunView):
    """A real Celery app in virtual time. Use it as a context manager, or as the fixture ``sim``.

    ``seed`` decides every random draw and every task id; ``start`` is the first instant (an aware ``datetime`` or an
    ISO text with a zone); ``broker`` is the kind that is simulated, ``"memory"`` or ``"redis"`` (by default that of the
    first app's own URL); with ``redis`` the simulated Redis, the broker's own if that is one, answers every client of
    redis-py (locks, caches), whatever host it names, and on memory keeps Redis results; ``allow`` lists hosts
    that tasks may really call (``"localhost:5432"``), and unless it is ``strict`` they may call any; ``limits`` say
    when a run is a runaway.

    ``redact`` are regular expressions: what they match is hidden in the trace and all that is drawn from it, in
    addition to what looks like a secret.

    ``database`` says which databases may be used besides those that ``allow`` names: ``"test"``, those that Django's
    test runner or pytest-django has made, ``"real"``, any, or ``None``. A connection to another is a ``RealDatabase``.

    ``files`` says which files and folders tasks may change: ``"real"``, any, or ``"scratch"``, only those that the run
    has made in the temporary folder. Another change is a ``RealFile``.

    ``isolated``: every pool process of a ``prefork`` worker is a real process, with memory of its own.

    ``conf`` are Celery settings, such as ``{"task_acks_late": True}``, which replace those of every app until the
    simulation ends. A task that sets such an option itself keeps its own.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        start: str | datetime = START,
        broker: BrokerKind | None = None,
        redis: bool = False,
        allow: Iterable[str] = (),
        database: str | None = "test",
        files: str = "real",
        strict: bool = True,
        redact: Iterable[str] = (),
        limits: Limits | Mapping[str, Any] | None = None,
        isolated: bool = False,
        conf: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(Trace(seed=seed, start_ns=start_instant_ns(start)), seed=seed)
        self._streams = Streams(seed)
        self.environment = Environment(VirtualClock(self.trace.start_ns), limits=_limits(limits))
        self._kind_of_broker = None if broker is None else known_kind(broker)
        self._serves_redis = redis
        self._undo = UndoStack()
        self._library = ExitStack()
        self._ends = ExitStack()
        permits = [allow] if isinstance(allow, str) else allow
        self._reality = Reality(self.environment, *permits, *permit_for(database), strict=strict)
        self._barrier = Barrier(self._reality.allowed, lambda: self._reality.who)
        self._files = must_be_files(files)
        self._databases = Databases(self.environment, lambda text: self._reality.note(text))
        rules, conditions = Rules(self._note_strike), ResultConditions(self.environment)
        network = Network(self.environment)
        self._crew = Crew(network, self.trace, rules, conditions, self._undo, self._databases, self._importing)
        self._crew.must_be_flag(isolated)
        self._crew.isolated = isolated
        self._crew.conf = must_be_settings(conf)
        #: a look into the broker, and its faults: ``sim.broker.restart()``
        self.broker = BrokerHandle(lambda: self._crew.broker, self.environment, rules, self.note_fault)
        #: the faults of storing results: ``sim.results.slow("5s")``
        self.results = ResultsHandle(conditions, self.note_fault)
        self._fakes = ServedFakes(self.trace, self.environment, self._reality, network, strict=strict, redact=redact)
        self.trace.redact = self._fakes.redact
        self._fakes.on_strike = self.note_fault
        self._recorder = Recorder(self.environment, self.trace, self._fakes.redact)
        self._recorder.routed = lambda: self._crew.routed
        self._fakes.attempt_of = self._recorder.attempt_of
        ends = self.environment.abandon_all, network.end, self._undo.close, self.trace.redact.settle
        for end in reversed(ends):
            self._ends.callback(end)
        self._open = False
        self._failed = False

    # -- life ----------------------------------------------------------------------------------------------------------

    @explains_bugs
    def __enter__(self) -> Self:
        """Begin: from here on time is virtual."""
        if self._open:
            raise InputError("this simulation has begun already; a simulation is used once")
        self._open = True
        warn_of_untested_versions()
        check_foreign_names()
        self.trace.redact.learn_environment(os.environ)
        with self._undo_on_error(), deferred_interrupts(), own_places().shared():
            set_aside_what_exists(self._undo)
            forget_shared_tasks(self._undo)
            self._undo.enter_context(virtual_threading(self.environment, self._reality))
            self._databases.stand_below(self._undo, self._barrier)
            guard_connections_opened_before(self._undo, self._barrier)
            stand_between(self._undo, self._barrier)
            if self._files == "scratch":
                guard_files(self._undo, self._barrier, self._reality)
            self._undo.callback(self._library.close)
            self._freeze()
            remember_code_positions(self._undo)
            leave_our_frames_out(self._undo)
            draw_task_ids(self._undo, self._streams["task ids"])
            expire_at_the_instant(self._undo)
            list_settings_of_the_apps_own(self._undo)
            joins_block_in_workers_only(self._undo, self.environment)
            self.environment.listeners.add(
                self._undo,
                explain=lambda text: self._waiting().explained(text),
                explain_wait=lambda process: "\n".join("  " + line for line in standing_of(process)),
                explain_late=lambda ns: late(self.environment, self.trace, ns),
            )
            keep_interpreter_settings(self._undo, self.environment)
            self.environment.listeners.add(self._undo, around_run=partial(explained_bugs, self.trace))
            self.environment.listeners.add(self._undo, around_run=warnings_of_a_worker)
            self.environment.listeners.add(self._undo, around_run=self._crew.memory.around_run)
            self.trace.observers.append(self._something_has_happened)
            self._crew.processes.connect(self._undo)
            own_current_process(self._undo, self.environment)
            log_what_handlers_say(self._undo)
            self._recorder.connect(self._undo)
            self._crew.connect()
            self._fakes.connect(self._undo)
            self._share_with_processes()
            self._reality.runs_a_task = lambda: get_current_task() is not None
            receivers_are_inside(self._undo, self._reality.receiving)
            if self._serves_redis:
                self._crew.serve_redis()
            if self._kind_of_broker is not None:
                self._crew.choose_broker(self._kind_of_broker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            self.close(warm=error is None)
        finally:
            if not self.environment.is_driven:
                close_at_once(self._ends)  # what is left, where a signal came before ``close`` had begun

    def _share_with_processes(self) -> None:
        """What pool processes that are processes of the machine have in common with all others."""
        faces = self.environment.faces
        share_recorder(faces, self._recorder)
        share_fakes(faces, self._fakes, self._reality)
        share_streams(faces, self._streams)
        share_speech(faces)
        share_coverage(self._undo, faces)

    @explains_bugs
    def close(self, *, warm: bool = True) -> None:
        """End: stop the worker if nothing runs on it (else it is left as it stands), and undo every patch."""
        if not self._open:
            return
        if self.environment.is_driven:
            raise self.environment.refused("ends the simulation that runs it", "call close() in the test")
        self._open = False
        try:
            self._crew.end(warm=warm and not self._failed)
        finally:
            close_at_once(self._ends)

    def leave_workers(self) -> None:
        """At the end, leave the workers as they stand instead of stopping them: half of what a short run costs."""
        self._failed = True

    @contextmanager
    def _undo_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            close_at_once(self._undo)
            raise

    def _freeze(self) -> None:
        self._library.enter_context(virtual_clocks(self.environment, self._streams, self._reality.companions))

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

    @explains_bugs
    def serve(self, fake: AnyFake, *, at: str | None = None) -> AnyFake:
        """From here on the fake's hosts (or the URL ``at``) are this fake, for any HTTP client. Returns the fake."""
        if not isinstance(fake, Fake):
            raise InputError(f"sim.serve takes a fake, such as API(...); got {fake!r}")
        self._fakes.serve(fake, at)
        return fake

    def api(self, fake: Fake) -> APIHandle:
        """The way to a fake that is served, and its faults: ``sim.api(crm).partition(worker)``."""
        route = self._fakes.routes.get(fake)
        if route is None:
            raise InputError("sim.api takes a fake that is served: sim.serve(fake) comes first")
        return APIHandle(fake.name, route, self.environment, self.note_fault)

    def allow(self, what: str) -> None:
        """Let tasks do something real: call a host (``"localhost:5432"``, or without a port), or take real time by
        ``"threads"``, ``"subprocess"`` or ``"select"``.
        """
        self._reality.allow(what)

    @property
    def refusals(self) -> list[tuple[type[SimulationError], str]]:
        """What this run did not let through: the kind of the error, and the URL, database or path that was meant."""
        return [*self._barrier.refused, *((UnservedHost, url) for url in self._fakes.unserved)]

    @property
    def locks_of_the_dead(self) -> list[HeldLock]:
        """The locks whose holders were killed: nobody will release them."""
        return self._reality.locks.held_by_the_dead

    @property
    def notes(self) -> list[str]:
        """What was replaced or left out of each app, what hangs on a tie, what ran in real time (telemetry SDKs), and
        what state pool processes shared that would not share it in production.
        """
        return [*self._crew.notes, *self._reality.notes, *self._crew.memory.notes]

    def _something_has_happened(self, event: Event) -> None:
        if not isinstance(event, WorkerLogged):  # a worker also logs that it gets nowhere
            self.environment.meter.something_has_happened()

    @explains_bugs
    def start_worker(
        self,
        app: Any,
        *,
        concurrency: int = 1,
        name: str | None = None,
        pool: str | None = None,
        isolated: bool | None = None,
        **options: Any,
    ) -> Worker:
        """Start a worker for an app (or what ``celery -A`` takes), as ``celery.contrib.testing.worker`` does.

        ``name`` is its node name, by default ``worker-1``, ``worker-2``, ...; ``pool`` what ``celery worker -P`` takes
        (``prefork``, ``threads``, ``gevent``, ``solo``), by default the app's ``worker_pool``; ``options`` are those of
        ``celery.worker.WorkController`` (``queues``, ``without_heartbeat``, ...).

        ``isolated`` (by default what the simulation was given) makes each pool process a real process, forked from this
        one: it shares no memory with the others, as in production. Only ``prefork`` has pool processes.
        """
        self._must_be_open()
        return self._crew.start_worker(
            app,
            concurrency=concurrency,
            name=name,
            pool=pool,
            options=options,
            isolated=isolated,
        )

    @explains_bugs
    def start_beat(self, app: Any) -> Beat:
        """Start Celery's beat for an app; its entries are sent while time passes: ``run_for("30 days")``.

        A beat never keeps ``run()`` going, which ends when everything else is idle.
        """
        self._must_be_open()
        return self._crew.start_beat(app)

    @explains_bugs
    def start_program(self, function: Callable[..., object], *args: Any, name: str | None = None) -> Program:
        """Run ``function(*args)`` alongside the workers, as a process of its own whose waits are virtual.

        For a monitor, say, that captures events while the simulation runs: a thread of the test would wait in real
        time. Like a beat it keeps no run alive. What it raises ends the run as an ``AppError``.
        """
        self._must_be_open()
        if not callable(function):
            raise InputError(f"sim.start_program takes a function and its arguments; got {function!r}")
        return self._crew.start_program(partial(function, *args), str(name or getattr(function, "__name__", "program")))

    @explains_bugs
    def run_eagerly(self, app: Any) -> None:
        """No worker: a task runs where it is submitted, its retry is scheduled on the virtual clock."""
        self._must_be_open()
        self._crew.run_eagerly(app)

    @explains_bugs
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

    def trouble(
        self,
        kind: str,
        *,
        task: str | None = None,
        attempt: int | None = None,
        endpoint: str | None = None,
        nth: int = 1,
        times: int | None = 1,
        by: Duration = 0,
        name: str | None = None,
    ) -> None:
        """Let calls of fakes meet trouble: a kind of ``retrysim.fakes.trouble`` (``"answer_lost"``), or ``"slow"``.

        ``task`` (``"push_contact#3"`` is the third of its name), ``attempt`` and ``endpoint`` say which calls count,
        ``nth`` which of them is the first, ``times`` how many (``None``: all that follow); ``by`` is how slow.
        """
        known = [*(one.value for one in FailureMode), SLOW]
        if kind not in known:
            raise InputError(f"no trouble {kind!r}{did_you_mean(kind, known)} (there are {', '.join(known)})")
        self._fakes.rules.add(
            CallRule(
                name=name or f"{kind} {endpoint or 'any call'}",
                kind=kind,
                task=task,
                attempt=attempt,
                endpoint=endpoint,
                nth=nth,
                times=times,
                by_ns=parse_duration(by),
            )
        )

    def idempotent(
        self, *, header: str | None = None, argument: str | None = None, endpoint: str | None = None
    ) -> None:
        """Let calls of fakes that carry one value in a header, or in an argument, have their effect once, together.

        ``endpoint`` says which calls (``"POST /charges"``), by default all. An argument is a parameter of the query or
        of a form, or a key of a JSON body. Invariants such as ``calls_have_effect_once`` then count no repeat.
        """
        if (header is None) == (argument is None):
            raise InputError('name either a header or an argument: sim.idempotent(header="Idempotency-Key")')
        self._fakes.effects.rules.append(Idempotency(header=header, argument=argument, endpoint=endpoint))

    def troubled(self, name: str) -> int:
        """How many calls a trouble of this name has seen that it concerns."""
        return self._fakes.rules.concerned(name)

    def skew_clock(self, by: Duration, host: Worker | Beat | Program | None = None, *, name: str | None = None) -> None:
        """Set the clock of one host ahead by so much, or behind: ``"-30s"``; by default that of the test, which sends.

        From then on ``time.time()`` and ``datetime.now()`` differ there, for Celery, too; ``time.monotonic()`` and
        waits do not. ``0`` sets it right. It outlasts a restart, and pool processes have the clock of their worker.
        """
        skew_ns = parse_skew(by) // GRID_NS * GRID_NS
        machine = self.environment.test.machine if host is None else host.name
        self.environment.skew_clock(machine, skew_ns)
        target = SENDER if host is None else machine
        verb = "skew_clock" if skew_ns else "set_clock"
        self.note_fault(name or f"clock of {target} {format_skew(skew_ns)}", verb, target)

    def note_fault(self, name: str, verb: str, target: str) -> None:
        """Write into the trace that something was broken, or repaired."""
        self.trace.append(FaultFired(at_ns=self.environment.clock.ns, name=name, verb=verb, target=target))

    def _note_strike(self, rule: MessageRule, message: TaskMessage) -> None:
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
        self._crew.refuse_to_run_nothing(self.trace.of(TaskSent))
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
        self._must_be_near(until_ns)
        self.environment.refuse_inside_a_run()
        idle = False
        observers = self.trace.observers

        def look(_event: Event) -> None:
            if until is not None and self.environment.holds(until):
                self.environment.stop()

        observers.append(look)
        try:
            self.environment.run(until=until, until_ns=until_ns)
            idle = until is None and until_ns is None
        except BaseException:
            self._failed = True
            raise
        finally:
            observers.remove(look)
            self._note_end(idle)
        if idle and self.environment.blocked():
            raise self._waiting().deadlock()

    def _waiting(self) -> Waiting:
        return Waiting(self.environment, self.locks_of_the_dead, self.trace.tasks, self._crew.holding())

    def _must_be_near(self, until_ns: int | None) -> None:
        allowed_ns = self.environment.limits.virtual_ns
        if until_ns is not None and until_ns - self.trace.start_ns > allowed_ns:
            raise InputError(
                f"the end of the run, {format_duration(until_ns - self.environment.clock.ns)} from now, would be later "
                f"than {format_duration(allowed_ns)} after the start of the simulation; allow that by "
                "limits=Limits(virtual_ns=...)"
            )

    def _note_end(self, idle: bool) -> None:
        redact = self.trace.redact
        blocked = tuple(redact(process.name) for process in self.environment.blocked()) if idle else ()
        holding = tuple((task_id, redact(where)) for task_id, where in self._crew.holding())
        at_ns = self.environment.clock.ns
        self.trace.append(RunEnded(at_ns=at_ns, idle=idle, holding=holding, blocked=blocked))

    def queue(self, name: str) -> QueueView:
        """A queue as it stands now: ``sim.queue("celery").depth``. Raises ``InputError`` for one that there is not."""
        return queue_view(name, self._crew.broker.waiting(), self.trace, self._crew.consumed)

    @property
    def waste(self) -> list[Waste]:
        """What the calls cost, compared with what the limits allow, for each caller of each limit."""
        return waste_of(self.trace.of(ApiCalled), self._fakes.optimum_ns)


def _limits(given: Limits | Mapping[str, Any] | None) -> Limits | None:
    return given if given is None or isinstance(given, Limits) else Limits.of(given)
