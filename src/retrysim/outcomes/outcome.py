"""How one item of a scenario ended: the facts for a machine, and the text for a person."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from retrysim.durations import SECOND, format_duration
from retrysim.invariants.invariant import BrokenInvariant
from retrysim.outcomes.verdict import findings_text
from retrysim.printable import printable
from retrysim.scenarios import ScenarioItem
from retrysim.trace import ApiCalled, Trace, dump_ndjson

#: Whose versions decide what a run does.
_PACKAGES = ("celery", "kombu", "billiard", "redis", "retrysim")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One played item: its trace, what does not hold (nothing: it passed), virtual and real time."""

    item: ScenarioItem
    trace: Trace
    findings: Sequence[BrokenInvariant]
    elapsed_ns: int
    wall_ns: int
    notes: Sequence[str] = field(default=())
    #: task id -> the last lines that it logged
    task_log: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.findings

    @cached_property
    def ndjson(self) -> str:
        return dump_ndjson(self.trace)

    def as_json(self) -> dict[str, Any]:
        """The object that ``retrysim run --json`` prints."""
        return {
            "scenario": self.item.scenario.name,
            "file": self.item.file,
            "item": self.item.id,
            "seed": self.item.seed,
            "passed": self.passed,
            "tasks": task_counts(self.trace),
            "attempts": sum(len(task.attempts) for task in self.trace.tasks.values()),
            "elapsed": self.elapsed_ns / SECOND,
            "wall": round(self.wall_ns / SECOND, 3),
            "calls": call_counts(self.trace),
            "violations": [
                {"invariant": finding.invariant, "task": problem.task_id, "text": self.trace.redact(problem.text)}
                for finding in self.findings
                for problem in finding.problems
            ],
            "trace_sha256": hashlib.sha256(self.ndjson.encode()).hexdigest(),
            "versions": _versions(),
        }

    def summary(self) -> str:
        """One line about an item that passed."""
        counts = {name: count for name, count in task_counts(self.trace).items() if count and name != "submitted"}
        text = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"{text} in {format_duration(self.elapsed_ns)} of virtual time"

    def text(self) -> str:
        """What a person reads about an item that failed; it begins with what does not hold."""
        lines = [findings_text(self.trace, self.findings), "", *self._logged(), *map(self.trace.redact, self.notes)]
        return "\n".join([*lines, f"replay: retrysim run {self.item.file} --seed {self.item.seed}"])

    def _logged(self) -> list[str]:
        """What a task logged: the first that has a problem and logged something."""
        concerned = (problem.task_id for finding in self.findings for problem in finding.problems)
        task = next(
            (self.trace.tasks[one] for one in concerned if one in self.task_log and one in self.trace.tasks), None
        )
        if task is None:
            return []
        lines = (f"  {printable(self.trace.redact(line))}" for line in self.task_log[task.task_id])
        return [f"log of {task.name}[{task.task_id[:8]}]:", *lines, ""]


def task_counts(trace: Trace) -> dict[str, int]:
    """How many tasks were submitted, and how they ended."""
    states, lost = trace.states, len(trace.lost())
    settled = sum(task.settled for task in trace.tasks.values())
    return {
        "submitted": len(trace.tasks),
        "succeeded": states["SUCCESS"],
        "failed": states["FAILURE"],
        "revoked": states["REVOKED"],
        "rejected": states["REJECTED"],
        "pending": len(trace.tasks) - settled - lost,
        "lost": lost,
        "retried": sum(bool(task.retries) for task in trace.tasks.values()),
    }


def call_counts(trace: Trace) -> dict[str, dict[str, dict[str, int]]]:
    """By fake and endpoint, how many calls were answered with each status."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for call in trace.of(ApiCalled):
        counts.setdefault(call.fake, {}).setdefault(call.endpoint, Counter())[call.answer] += 1
    return {fake: {end: dict(sorted(c.items())) for end, c in ends.items()} for fake, ends in counts.items()}


def _versions() -> Mapping[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
