"""What an audit found: values, and their form for a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retrysim.audit.chain import Coverage
from retrysim.audit.finding import AuditFinding
from retrysim.audit.handwritten import RetryCall


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One line of the table: a retry policy. A body with several calls of ``retry`` has several."""

    label: str
    coverage: Coverage | None
    findings: tuple[AuditFinding, ...]

    def as_json(self) -> dict[str, Any]:
        played = None if self.coverage is None else self.coverage.as_json()
        return {"policy": self.label, "played": played, "findings": [_finding_as_json(one) for one in self.findings]}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """One task. ``way`` is how it retries: ``automatic``, ``by hand``, ``none``, or ``unread`` where its own
    code raised when it was read."""

    name: str
    way: str
    rows: tuple[PolicyRow, ...]
    findings: tuple[AuditFinding, ...]
    by_hand: tuple[RetryCall, ...]
    not_run: tuple[str, ...]

    @property
    def retries(self) -> bool:
        return self.way not in ("none", "unread")

    @property
    def all_findings(self) -> tuple[AuditFinding, ...]:
        return (*self.findings, *(finding for row in self.rows for finding in row.findings))

    def as_json(self) -> dict[str, Any]:
        calls = [{"line": call.place, "call": call.source, "judged": call.plain} for call in self.by_hand]
        return {
            "task": self.name,
            "way": self.way,
            "policies": [row.as_json() for row in self.rows],
            "findings": [_finding_as_json(finding) for finding in self.findings],
            "retry_calls": calls,
            "not_run": list(self.not_run),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AppReport:
    """The audit of an app."""

    app: str
    seed: int
    tasks: tuple[TaskReport, ...]
    findings: tuple[AuditFinding, ...]
    versions: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {
            "app": self.app,
            "seed": self.seed,
            "tasks": [task.as_json() for task in self.tasks],
            "findings": [_finding_as_json(finding) for finding in self.findings],
            "versions": dict(self.versions),
        }


def _finding_as_json(finding: AuditFinding) -> dict[str, str]:
    return {"kind": finding.kind.value, "text": finding.text}
