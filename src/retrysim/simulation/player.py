"""Plays one item of a scenario on the simulation, and judges it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from celery import signals

from retrysim.clock import to_datetime
from retrysim.errors import InputError, SimulationError
from retrysim.invariants.invariant import Finding, Problem
from retrysim.kernel import Limits
from retrysim.outcomes import Outcome, Run, judge_run
from retrysim.playing import (
    check_tasks,
    due_submissions,
    environment_variables,
    find_app,
    find_fake,
    submit,
    trace_file,
)
from retrysim.scenarios import OTHERS, ScenarioItem
from retrysim.simulation.faults import FaultPlayer
from retrysim.simulation.simulation import Simulation
from retrysim.trace import Trace, is_named
from retrysim.undo import UndoStack

_REAL = {"perf_counter_ns": time.perf_counter_ns}  # in a container: freezegun replaces a saved global


def play(
    item: ScenarioItem, *, trace_dir: Path | None = None, watch: Callable[[Trace], object] | None = None
) -> Outcome:
    """Play an item and judge it; with a folder, its trace is kept there as ``NAME.ndjson``.

    ``watch`` is given the trace when the run begins, to look at it from another thread.
    Raises ``ScenarioError`` for what proves wrong only now: a name of an app, task, fake or invariant.
    """
    began_ns = _REAL["perf_counter_ns"]()
    with environment_variables(item):
        run, failure, idle_faults = _run(item, watch)
        findings = failure + idle_faults + ([] if failure else judge_run(item, run))
        if not failure and item.expect.differs_from is not None:
            findings += _judge_difference(item, run)
    outcome = Outcome(
        item=item,
        trace=run.trace,
        findings=findings,
        elapsed_ns=run.end_ns - run.trace.start_ns,
        wall_ns=_REAL["perf_counter_ns"]() - began_ns,
    )
    if trace_dir is not None:
        trace_file(item, trace_dir).write_text(outcome.ndjson, encoding="utf-8")
    return outcome


# -- running -----------------------------------------------------------------------------------------------------------


def _run(
    item: ScenarioItem, watch: Callable[[Trace], object] | None = None
) -> tuple[Run, list[Finding], list[Finding]]:
    """The run, why it could not go on, and which faults never happened."""
    spec = item.scenario.spec
    app = find_app(item)
    check_tasks(item, app)
    start = to_datetime(spec.start_ns)
    simulation = Simulation(
        seed=item.seed,
        start=start,
        broker=item.broker,
        redis=spec.redis,
        allow=spec.allow,
        strict=spec.strict,
        limits=_limits(item),
    )
    if watch is not None:
        watch(simulation.trace)
    with UndoStack() as undo, simulation as sim:
        results = _collect_results(undo)
        _charge_costs(undo, item, sim)
        for name in spec.fakes:
            _serve(item, name, sim)
        _start(item, sim, app)
        faults = FaultPlayer(item, sim)
        faults.start()
        submitted: list[str] = []
        sim.environment.spawn(partial(_submit_all, item, sim, app, submitted), name="the client")
        failure = _run_to_the_end(item, sim)
        run = Run(trace=sim.trace, end_ns=sim.environment.clock.ns, results=results, submitted=submitted)
    return run, failure, [] if failure else list(faults.findings())


def _run_to_the_end(item: ScenarioItem, sim: Simulation) -> list[Finding]:
    until_ns = item.scenario.spec.until_ns
    try:
        if until_ns is None:
            sim.run()
        else:
            sim.run(until=to_datetime(until_ns))
    except SimulationError as error:
        return [Finding(invariant=type(error).__name__, problems=(Problem(text=str(error)),))]
    return []


def _limits(item: ScenarioItem) -> Limits:
    given = item.scenario.spec.limits
    values = {
        "events": given.events,
        "virtual_ns": given.virtual_time_ns,
        "attempts_per_task": given.attempts_per_task,
    }
    return replace(Limits(), **{name: value for name, value in values.items() if value is not None})


def _serve(item: ScenarioItem, name: str, sim: Simulation) -> None:
    fake, at = find_fake(item, name)
    try:
        sim.serve(fake, at=at)
    except InputError as error:
        raise item.scenario.error(("fakes", name), str(error)) from error


def _start(item: ScenarioItem, sim: Simulation, app: Any) -> None:
    if item.celery == "eager":
        sim.run_eagerly(app)
    elif item.celery == "always_eager":
        sim.run_always_eagerly(app)
    else:
        _start_workers(item, sim, app)


def _start_workers(item: ScenarioItem, sim: Simulation, app: Any) -> None:
    for worker in item.workers:
        options = {"queues": list(worker.queues)} if worker.queues else {}
        sim.start_worker(app, concurrency=worker.concurrency, name=worker.name, pool=worker.pool, **options)
    if item.scenario.spec.beat:
        sim.start_beat(app)


def _submit_all(item: ScenarioItem, sim: Simulation, app: Any, submitted: list[str]) -> None:
    for due in due_submissions(item):
        if due.at_ns > sim.environment.clock.ns:
            sim.environment.sleep(due.at_ns - sim.environment.clock.ns)
        submitted.append(submit(item, app, due))


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


def _judge_difference(item: ScenarioItem, run: Run) -> list[Finding]:
    """The same tasks in the other way of running Celery must not do the same."""
    assert item.expect.differs_from is not None
    other, failure, _ = _run(replace(item, celery=item.expect.differs_from))
    if failure or _timelines(run) != _timelines(other):
        return []
    text = f"expected the tasks to do something else than in {item.expect.differs_from}, but every timeline is the same"
    return [Finding(invariant="differs_from", problems=(Problem(text=text),))]


def _timelines(run: Run) -> list[str]:
    return sorted(task.timeline for task in run.trace.tasks.values())
