"""``retrysim.explore(...)``: explores a scenario file, or a function that takes a simulation, from Python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from retrysim.durations import SECOND, Duration, parse_duration
from retrysim.errors import InputError, SimulationError, Violation
from retrysim.exploring.accept import is_accepted
from retrysim.exploring.causes import cause_of
from retrysim.exploring.draws import named, pick_of
from retrysim.exploring.exploration import Budget, Exploration, Explorer, Finding, Interrupted, kinds_named
from retrysim.exploring.face import Sharing, explore_scenario, search
from retrysim.exploring.facts import facts
from retrysim.exploring.forks import Forks
from retrysim.exploring.outcome import harms_of
from retrysim.exploring.playing import hung
from retrysim.exploring.shrink import fewer_decisions
from retrysim.exploring.surroundings import AppSettings, of_app
from retrysim.exploring.trial import Trial, TrialResult
from retrysim.exploring.warm import warm_up
from retrysim.invariants.invariant import BrokenInvariant as Unmet
from retrysim.invariants.invariant import Problem
from retrysim.machine import cores
from retrysim.project import project_around
from retrysim.scenarios import items_of, load
from retrysim.scenarios.accept import Accepted
from retrysim.scenarios.fault import Fault
from retrysim.scenarios.order import OrderDecision
from retrysim.simulation.faults import FaultPlayer
from retrysim.simulation.order import OrderPlayer, Ties
from retrysim.simulation.simulation import Simulation

#: What a test does: starts workers, sends tasks, runs.
Test = Callable[[Simulation], object]


def explore(
    what: str | Path | Test,
    *,
    faults: Sequence[str] = (),
    time: Duration | None = None,
    runs: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    executor: Executor | None = None,
    accept: Sequence[dict[str, Any]] = (),
    out: str | Path | None = None,
    item: str | None = None,
    **settings: Any,
) -> Exploration:
    """Try every fault at every point; with ``time`` or ``runs`` also pairs, orders and lengths until these are used up.

    ``what`` is a scenario file, or a function that takes a ``Simulation`` and does what a test does; ``settings`` are
    then those of its ``Simulation``, and ``broker`` is ``"redis"`` by default. ``faults`` are kinds of fault (all by
    default), ``accept`` is what may be found (``{"twice": "sync_orders"}``), ``out`` the folder for findings in a
    scenario. ``executor`` runs a scenario elsewhere. The result has ``findings``, ``new``, ``matrix`` and ``check()``.

    Raises ``InputError`` for what shows nothing: it fails without any fault, or has no point.
    """
    seconds = None if time is None else parse_duration(time) / SECOND
    budget = Budget(seconds=seconds, runs=runs, jobs=jobs or 0, seed=seed)
    accepted = [Accepted.model_validate(one) for one in accept]
    if callable(what):
        if executor is not None:
            raise InputError(
                "a function is explored in forks of this process: leave executor out, or give a scenario file"
            )
        return _explore_test(what, faults, budget, accepted, {"broker": "redis", **settings})
    if settings:
        raise InputError(f"a scenario file has settings of its own: leave {', '.join(settings)} out")
    project = project_around(Path.cwd())
    exploration = explore_scenario(
        items_of(load(what, project=project)),
        wanted=item,
        project=project,
        faults=faults,
        budget=budget,
        folder=None if out is None else Path(out),
        sharing=Sharing(executor=executor),
    )
    _accept(exploration, accepted)
    return exploration


def _accept(exploration: Exploration, accepted: Sequence[Accepted]) -> None:
    for finding in exploration.findings.values():
        finding.accepted |= all(is_accepted(finding.harm, kind, accepted) for kind in finding.kinds)


# -- a function --------------------------------------------------------------------------------------------------------


def _explore_test(
    test: Test, faults: Sequence[str], budget: Budget, accepted: Sequence[Accepted], settings: dict[str, Any]
) -> Exploration:
    kinds = kinds_named(faults)
    warm_up(settings["broker"])
    probe: Forks[None, AppSettings] = Forks(lambda _: _surroundings(test, settings), jobs=1, on_hang=_no_end)
    ((_, around),) = probe.results([None])
    forks: Forks[Trial, TrialResult] = Forks(partial(_play, test, settings), jobs=budget.jobs or cores(), on_hang=hung)
    explorer = Explorer(forks, around, kinds=kinds, budget=budget)
    search(explorer, str(budget.seed))
    _accept(explorer.exploration, accepted)
    try:
        for finding in explorer.exploration.new:
            finding.trial = fewer_decisions(finding.trial, partial(_same, explorer, finding))
    except (Interrupted, KeyboardInterrupt):
        explorer.exploration.interrupted = True
    explorer.exploration.seconds = explorer.elapsed
    return explorer.exploration


def _no_end(_nothing: None) -> AppSettings:
    raise InputError("the function did not end within 120 s of real time without any fault")


def _surroundings(test: Test, settings: dict[str, Any]) -> AppSettings:
    with Simulation(**settings) as sim:
        with suppress(AssertionError, SimulationError):  # the run without a fault says so
            test(sim)
        sim.leave_workers()
        if not sim.workers:
            raise InputError("the function starts no worker, and a worker is what breaks: call sim.start_worker(app)")
        app = sim.workers[0].app
        return of_app(app, settings["broker"], {worker.name: str(app.conf.worker_pool) for worker in sim.workers})


def _play(test: Test, settings: dict[str, Any], trial: Trial) -> TrialResult:
    logging.disable(logging.CRITICAL)
    faults = tuple(Fault.model_validate(one) for one in trial.decisions)
    unmet, ties = list[Unmet](), None
    with Simulation(**settings) as sim:
        player = FaultPlayer(faults, sim, start_ns=sim.trace.start_ns)
        player.start()
        asked = () if trial.draw else trial.order
        order = OrderPlayer([OrderDecision.model_validate(one) for one in asked], sim.environment)
        order.start()
        if trial.draw:
            ties = Ties(sim.environment.clock, named(trial.order, pick_of(trial.draw)))
            sim.environment.choose = ties.choose
        try:
            test(sim)
        except (AssertionError, Violation) as error:
            if not faults and not trial.order and not trial.draw:
                return TrialResult(error=f"{type(error).__name__}: {error}")
        except InputError as error:
            return TrialResult(unapplied=str(error))
        except SimulationError as error:
            unmet.append(Unmet(invariant=type(error).__name__, problems=(Problem(text=str(error)),)))
        sim.leave_workers()
        unmet += [*player.findings(), *order.findings()]
        result = facts(sim.trace, unmet, sim.environment.clock.ns - sim.trace.start_ns, trial)
    return replace(result, **ties.noted()) if ties is not None else result


def _same(explorer: Explorer, finding: Finding, trials: Sequence[Trial]) -> list[bool]:
    """Which of the trials do the same harm to the same task for the same cause."""
    exploration = explorer.exploration
    shows = []
    for trial, result in zip(trials, explorer.results(trials), strict=True):
        harms = [] if result.error or result.unapplied else harms_of(result, exploration.base, lasts_ns=trial.lasts_ns)
        kinds = [strike.kind for strike in trial.strikes]
        shows.append(any((h.task, h.worst, cause_of(h, kinds, exploration.around)) == finding.key for h in harms))
    return shows
