"""Plays one item of a scenario on the simulation, and judges it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from celery import signals
from kombu.exceptions import OperationalError

from retrysim.celery.task_log import TaskLog
from retrysim.clock import time_of_day, to_datetime
from retrysim.databases import djangos_test_databases
from retrysim.errors import InputError, SimulationError
from retrysim.fakes.fake import Fake
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.kernel import Limits
from retrysim.outcomes.again import ran_again
from retrysim.outcomes.expectations import Run, judge_run
from retrysim.outcomes.outcome import Outcome
from retrysim.outside import permit_for
from retrysim.playing import (
    check_conf,
    check_tasks,
    due_submissions,
    environment_variables,
    find_app,
    find_fake,
    find_setup,
    submit,
    trace_file,
)
from retrysim.scenarios import OTHERS, ScenarioItem
from retrysim.simulation.faults import FaultPlayer
from retrysim.simulation.order import OrderPlayer
from retrysim.simulation.simulation import Simulation
from retrysim.trace import Trace, is_named
from retrysim.undo import UndoStack

_REAL = {"perf_counter_ns": time.perf_counter_ns}  # in a container: a simulation replaces a saved global


def play(
    item: ScenarioItem,
    *,
    trace_dir: Path | None = None,
    watch: Callable[[Trace], object] | None = None,
    throw_away: bool = False,
    look: Callable[[Simulation], object] | None = None,
) -> Outcome:
    """Play an item and judge it; with a folder, its trace is kept there as ``NAME.ndjson``.

    ``watch`` is given the trace when the run begins, to look at it from another thread. With ``throw_away`` the workers
    are not stopped at the end, whose trace then ends with the run. ``look`` is given the simulation before it runs.
    Raises ``ScenarioError`` for what proves wrong only now: a name of an app, task, fake or invariant.
    """
    began_ns = _REAL["perf_counter_ns"]()
    with environment_variables(item), databases_of(item):
        with staged(item, watch) as stage:
            played = play_on(stage, item, throw_away=throw_away, look=look)
        run, findings = played.run, played.judged(item)
        if not played.failure and item.expect.differs_from is not None:
            findings += _judge_difference(item, run)
    outcome = Outcome(
        item=item,
        trace=run.trace,
        findings=findings,
        elapsed_ns=run.end_ns - run.trace.start_ns,
        wall_ns=_REAL["perf_counter_ns"]() - began_ns,
        notes=[f"note: {note}" for note in (*run.notes, *ran_again(run.trace))],
        task_log=run.task_log,
    )
    if trace_dir is not None:
        trace_file(item, trace_dir).write_text(outcome.ndjson, encoding="utf-8")
    return outcome


# -- running -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A simulation that stands ready: its workers wait, its fakes are served, and nothing was submitted yet."""

    sim: Simulation
    app: Any
    fakes: Mapping[str, Fake]
    #: what tasks return, by their ids
    results: dict[str, Any]
    log: TaskLog


@contextmanager
def staged(item: ScenarioItem, watch: Callable[[Trace], object] | None = None) -> Iterator[Stage]:
    """Begin the simulation of an item. Neither its faults nor its ``order`` make a difference to what is ready then."""
    spec = item.scenario.spec
    allowed = (*spec.allow, *permit_for(spec.databases))
    app, set_up = find_app(item, allowed=allowed), find_setup(item, allowed=allowed)
    check_tasks(item, app)
    check_conf(item, app)
    simulation = Simulation(
        seed=item.seed,
        start=to_datetime(spec.start_ns),
        broker=item.broker,
        redis=spec.redis,
        allow=spec.allow,
        database=spec.databases,
        files=spec.files,
        strict=spec.strict,
        redact=spec.redact,
        limits=_limits(item),
        conf=spec.conf,
    )
    if watch is not None:
        watch(simulation.trace)
    with UndoStack() as undo, simulation as sim:
        results, log = _collect_results(undo), TaskLog(undo)
        _charge_costs(undo, item, sim)
        fakes = {name: _serve(item, name, sim) for name in spec.fakes}
        for one in spec.idempotency:
            sim.idempotent(header=one.header, argument=one.argument, endpoint=one.endpoint)
        _start(item, sim, app)
        _set_up(item, set_up)
        yield Stage(sim=sim, app=app, fakes=fakes, results=results, log=log)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A run that has ended."""

    run: Run
    #: why it could not go on
    failure: list[BrokenInvariant]
    #: the faults that never happened, and the tasks that were never sent
    unapplied: list[BrokenInvariant]

    def judged(self, item: ScenarioItem) -> list[BrokenInvariant]:
        """What does not hold of it."""
        return self.failure + self.unapplied + ([] if self.failure else judge_run(item, self.run))


def play_on(
    stage: Stage,
    item: ScenarioItem,
    *,
    throw_away: bool = False,
    look: Callable[[Simulation], object] | None = None,
) -> Played:
    """Play an item on a stage that was made for it, or for another one with other faults and another ``order``."""
    spec, sim = item.scenario.spec, stage.sim
    faults = FaultPlayer(spec.faults, sim, start_ns=spec.start_ns, scenario=item.scenario, fakes=stage.fakes)
    faults.start()
    order = OrderPlayer(spec.order, sim.environment)
    order.start()
    if look is not None:
        look(sim)
    submitted: list[str] = []
    unsent: list[Problem] = []
    sim.environment.spawn(partial(_submit_all, item, sim, stage.app, submitted, unsent), name="the client")
    failure = _run_to_the_end(item, sim)
    if throw_away:
        sim.leave_workers()
    run = Run(
        trace=sim.trace,
        end_ns=sim.environment.clock.ns,
        results=stage.results,
        submitted=submitted,
        notes=sim.notes,
        task_log=stage.log.lines,
    )
    refused = [BrokenInvariant(invariant="every_task_is_sent", problems=tuple(unsent))] if unsent else []
    unapplied = refused if failure else [*faults.findings(), *order.findings(), *refused]
    return Played(run=run, failure=failure, unapplied=unapplied)


@contextmanager
def databases_of(item: ScenarioItem) -> Iterator[None]:
    """Django's test databases, where the scenario wants them; its app is imported first, and with it the settings."""
    if item.scenario.spec.databases != "test":
        yield
        return
    find_app(item, allowed=item.scenario.spec.allow)
    with ExitStack() as stack:
        try:
            stack.enter_context(djangos_test_databases())
        except InputError as error:
            raise item.scenario.error(("database",), f"test: {error}") from error
        yield


def _set_up(item: ScenarioItem, function: Callable[[], object]) -> None:
    try:
        function()
    except Exception as error:
        text = f"{item.scenario.spec.setup} ended with {type(error).__name__}: {error}"
        raise item.scenario.error(("setup",), text) from error


def _run_to_the_end(item: ScenarioItem, sim: Simulation) -> list[BrokenInvariant]:
    until_ns = item.scenario.spec.until_ns
    try:
        if until_ns is None:
            sim.run()
        else:
            sim.run(until=to_datetime(until_ns))
    except SimulationError as error:
        return [BrokenInvariant(invariant=type(error).__name__, problems=(Problem(text=str(error)),))]
    return []


def _limits(item: ScenarioItem) -> Limits:
    given = item.scenario.spec.limits
    values = {
        "events": given.events,
        "virtual_ns": given.virtual_time_ns,
        "attempts_per_task": given.attempts_per_task,
        "task_steps": given.task_steps,
        "real_seconds": given.real_seconds,
    }
    return replace(Limits(), **{name: value for name, value in values.items() if value is not None})


def _serve(item: ScenarioItem, name: str, sim: Simulation) -> Fake:
    fake, at = find_fake(item, name)
    try:
        sim.serve(fake, at=at)
    except InputError as error:
        raise item.scenario.error(("fakes", name), str(error)) from error
    return fake


def _start(item: ScenarioItem, sim: Simulation, app: Any) -> None:
    if item.celery == "eager":
        sim.run_eagerly(app)
    elif item.celery == "always_eager":
        sim.run_always_eagerly(app)
    else:
        _start_workers(item, sim, app)


def _start_workers(item: ScenarioItem, sim: Simulation, app: Any) -> None:
    for worker in item.workers:
        options: dict[str, Any] = {"queues": list(worker.queues)} if worker.queues else {}
        if worker.isolated and worker.pool in (None, "prefork"):  # of a list of pools, the one that has processes
            options["isolated"] = True
        sim.start_worker(app, concurrency=worker.concurrency, name=worker.name, pool=worker.pool, **options)
    if item.scenario.spec.beat:
        sim.start_beat(app)


def _submit_all(item: ScenarioItem, sim: Simulation, app: Any, submitted: list[str], unsent: list[Problem]) -> None:
    """Submit everything in time. A broker that refuses a message refuses that one: the caller gets the error."""
    for due in due_submissions(item):
        if due.at_ns > sim.environment.clock.ns:
            sim.environment.sleep(due.at_ns - sim.environment.clock.ns)
        try:
            submitted.append(submit(item, app, due))
        except OperationalError as error:
            text = f"{due.submission.task} could not be sent at {time_of_day(sim.environment.clock.ns)}: {error}"
            unsent.append(Problem(text=text))


# -- around the tasks --------------------------------------------------------------------------------------------------


def _collect_results(undo: UndoStack) -> dict[str, Any]:
    results: dict[str, Any] = {}

    def succeeded(sender: Any, result: Any = None, **_: Any) -> None:
        results[sender.request.id] = result

    signals.task_success.connect(succeeded, weak=False)
    undo.callback(signals.task_success.disconnect, succeeded)
    return results


def _charge_costs(undo: UndoStack, item: ScenarioItem, sim: Simulation) -> None:
    """Let each body take the virtual time that the scenario says, before its first line."""
    costs = item.scenario.spec.cost_ns
    if not costs:
        return

    def charge(sender: Any, task: Any = None, **_: Any) -> None:
        by_name = [cost for name, cost in costs.items() if is_named(task.name, name)]
        sim.environment.sleep(by_name[0] if by_name else costs.get(OTHERS, 0))

    signals.task_prerun.connect(charge, weak=False)
    undo.callback(signals.task_prerun.disconnect, charge)


# -- two ways of running Celery ----------------------------------------------------------------------------------------


def _judge_difference(item: ScenarioItem, run: Run) -> list[BrokenInvariant]:
    """The same tasks in the other way of running Celery must not do the same."""
    assert item.expect.differs_from is not None
    other_item = replace(item, celery=item.expect.differs_from)
    with staged(other_item) as stage:
        other = play_on(stage, other_item)
    if other.failure or _timelines(run) != _timelines(other.run):
        return []
    text = f"expected the tasks to do something else than in {item.expect.differs_from}, but every timeline is the same"
    return [BrokenInvariant(invariant="differs_from", problems=(Problem(text=text),))]


def _timelines(run: Run) -> list[str]:
    return sorted(task.timeline for task in run.trace.tasks.values())
