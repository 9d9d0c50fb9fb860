"""The guarantee matrix: for each task and kind of fault the worst that happened, and at how many points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retrysim.durations import SECOND
from retrysim.exploring.kinds import OWN
from retrysim.exploring.outcome import ORDER, Harm, Worst
from retrysim.exploring.trial import Trial


@dataclass(slots=True)
class Cell:
    """One task under one kind of fault. ``struck`` counts the points at which the worst happened."""

    task: str
    kind: str
    worst: Worst = "ok"
    struck: int = 0
    points: int = 0
    late_ns: int | None = None
    times: int | None = None
    example: Trial | None = None
    scenario: str | None = None
    accepted: bool = False
    harms: dict[str, int] = field(default_factory=dict)  # worst -> points

    def add(self, harms: Sequence[Harm], trial: Trial) -> None:
        """One more point: what it did to the tasks of this name."""
        self.points += 1
        if not harms:
            return
        worst = max(harms, key=lambda harm: harm.badness)
        self.harms[worst.worst] = self.harms.get(worst.worst, 0) + 1
        if ORDER.index(worst.worst) > ORDER.index(self.worst):
            self.worst, self.late_ns, self.times, self.example = worst.worst, None, None, trial
        if worst.worst == self.worst:
            self.late_ns = max(self.late_ns or 0, worst.late_ns or 0) or None
            self.times = max(self.times or 0, worst.times or 0) or None
        self.struck = self.harms[self.worst] if self.worst != "ok" else 0

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "task": self.task,
            "fault": self.kind,
            "worst": self.worst,
            "struck": self.struck,
            "points": self.points,
            "late": None if self.late_ns is None else self.late_ns / SECOND,
            "times": self.times,
            "scenario": self.scenario,
            "accepted": self.accepted,
        }


class Matrix:
    """All cells, made as runs come in."""

    def __init__(self, tasks: Iterable[str]) -> None:
        self.tasks = list(tasks)
        self.cells: dict[tuple[str, str], Cell] = {}

    def add(self, trial: Trial, harms: Sequence[Harm]) -> None:
        """Count one run: for every task, or for the one whose message or call was struck."""
        if not trial.strikes:
            return
        for task in self.tasks:
            own = [harm for harm in harms if harm.task == task]
            if own or self._concerns(trial, task):
                cell = self.cells.setdefault((task, trial.kind), Cell(task, trial.kind))
                cell.add(own, trial)

    def _concerns(self, trial: Trial, task: str) -> bool:
        return any(strike.kind not in OWN or _struck_task(strike.group) == task for strike in trial.strikes)

    def cell(self, task: str, kind: str) -> Cell | None:
        return self.cells.get((task, kind))

    @property
    def kinds(self) -> list[str]:
        """The single kinds that were tried, in the order of their first cell."""
        return [kind for kind in dict.fromkeys(kind for _, kind in self.cells) if "+" not in kind]

    def as_mapping(self) -> Mapping[tuple[str, str], Cell]:
        return self.cells


def _struck_task(group: str) -> str:
    """The task in a strike's group: ``answer_lost/0/shop.push/1/...``."""
    return group.split("/")[2]
