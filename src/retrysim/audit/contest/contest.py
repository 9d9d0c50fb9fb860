"""The contest: every policy under the same workload, over several seeds; and the advice that follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from retrysim.audit.chain import Spread
from retrysim.audit.contest.run import Contestant, ContestRun, run
from retrysim.audit.contest.waiting import ALL, named
from retrysim.audit.contest.workload import RefusedCall, Workload
from retrysim.audit.processes import in_processes
from retrysim.audit.report import AppReport
from retrysim.durations import SECOND, format_duration
from retrysim.machine import cores

#: How many different policies of the app's own tasks take part.
_MOST_OWN = 5
#: What a user's function is asked before anything is played.
_TRIAL = RefusedCall(retries=0, reset_in=60.0, refused_before=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one policy did: a result for each seed. ``own`` is true of a task's own policy."""

    name: str
    own: bool
    results: tuple[ContestRun, ...]

    def spread(self, figure: Callable[[ContestRun], int]) -> Spread:
        return Spread.of([figure(result) for result in self.results])

    @property
    def lost(self) -> Spread:
        return self.spread(lambda result: result.lost)

    @property
    def drained(self) -> Spread:
        return self.spread(lambda result: result.drained_ns)

    @property
    def refused(self) -> Spread:
        return self.spread(lambda result: result.refused)

    @property
    def peak(self) -> Spread:
        return self.spread(lambda result: result.peak)

    @property
    def attempts(self) -> Spread:
        """Calls, served and refused."""
        return self.spread(lambda result: len(result.calls))

    def as_json(self) -> dict[str, Any]:
        figures = {name: _three(getattr(self, name), 1) for name in ("lost", "refused", "peak", "attempts")}
        return {"policy": self.name, "own": self.own, **figures, "drained": _three(self.drained, SECOND)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """The standings, in the order in which the policies were named."""

    workload: Workload
    seeds: int
    standings: tuple[Standing, ...]

    @property
    def winner(self) -> Standing | None:
        """Of those that lose nothing, the one that drains first, then refuses least, then is the simplest."""
        good = [standing for standing in self.standings if standing.lost.most == 0]
        return min(good, key=lambda one: (one.drained.most, one.refused.most), default=None)

    @property
    def horizon_ns(self) -> int:
        """How far calls are drawn: to the end of the last window that the workload needs."""
        return self.workload.windows * self.workload.limit.window_ns

    def as_json(self) -> dict[str, Any]:
        workload = self.workload
        return {
            "tasks": workload.tasks,
            "limit": str(workload.limit),
            "max_retries": workload.max_retries,
            "optimum": workload.optimum_ns / SECOND,
            "seeds": self.seeds,
            "policies": [standing.as_json() for standing in self.standings],
            "advice": advice(self),
        }


def contestants(report: AppReport, callables: Sequence[str]) -> list[Contestant]:
    """The app's own policies (those that are one, once), the well-known ones, and the user's functions."""
    own: dict[tuple[int, ...], Contestant] = {}
    for task in report.tasks:
        for row in task.rows if task.retries else ():
            if row.coverage is not None:
                own_policy = Contestant(name=row.label, task=task.name, key=row.label)
                own.setdefault(row.coverage.chains[0].attempts_ns, own_policy)
    for name in callables:
        named(name).wait(_TRIAL, Workload())
    return [*list(own.values())[:_MOST_OWN], *(Contestant(name=name) for name in (*ALL, *callables))]


def hold(
    app: str,
    workload: Workload,
    those: Sequence[Contestant],
    *,
    seeds: int = 3,
    jobs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Contest:
    """Play each policy with each seed, in as many processes."""
    heats = [(app, workload, contestant, seed) for contestant in those for seed in range(seeds)]
    results: list[ContestRun] = []
    for result in in_processes(run, *zip(*heats, strict=True), jobs=jobs or cores()):
        results.append(result)
        if on_progress is not None:
            on_progress(len(results), len(heats))
    standings = (
        Standing(name=one.name, own=one.task is not None, results=tuple(results[index * seeds : (index + 1) * seeds]))
        for index, one in enumerate(those)
    )
    return Contest(workload=workload, seeds=seeds, standings=tuple(standings))


def advice(contest: Contest) -> str:
    """One sentence, with its reason."""
    workload, winner = contest.workload, contest.winner
    if winner is None:
        least = min(contest.standings, key=lambda one: one.lost.most)
        return (
            f"Advice: raise max_retries to {workload.windows - 1}: the workload needs {workload.windows} windows, and "
            f"every policy loses tasks with {workload.max_retries} retries "
            f"({least.name} the fewest, {least.lost.most})."
        )
    why = ALL[winner.name].why if winner.name in ALL else "is your own"
    reason = f"it {why}" if why else "it happens to come back when the API is open"
    return f"Advice: {winner.name}, because {reason}: {_figures(winner, workload)}.{_beside(contest)}"


def _figures(standing: Standing, workload: Workload) -> str:
    drained, optimum = format_duration(_whole(standing.drained.most)), format_duration(workload.optimum_ns)
    return (
        f"none of {workload.tasks} tasks is lost, the last is through after {drained} (at best {optimum}), "
        f"and {standing.refused.most} calls are refused"
    )


def _beside(contest: Contest) -> str:
    """What the app's own policies lose, if they do."""
    losing = [one for one in contest.standings if one.own and one.lost.most]
    if not losing:
        return ""
    worst = max(losing, key=lambda one: one.lost.median)
    return f" {worst.name} loses {worst.lost.median} of {contest.workload.tasks} as it is."


def _whole(ns: int) -> int:
    return -(-ns // SECOND) * SECOND


def _three(spread: Spread, unit: int) -> dict[str, float]:
    return {"min": spread.least / unit, "median": spread.median / unit, "max": spread.most / unit}
