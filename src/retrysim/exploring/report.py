"""An exploration as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from retrysim.exploring.exploration import Exploration, Finding
from retrysim.exploring.found import headline
from retrysim.exploring.text import heading, matrix_rows, untried_lines


def cells_as_json(exploration: Exploration) -> Iterator[dict[str, Any]]:
    """One object per cell of the matrix."""
    return (cell.as_json() for cell in exploration.matrix.cells.values())


def summary_as_json(file: str, exploration: Exploration) -> dict[str, Any]:
    """The last object: how much was tried, and what was found."""
    return {
        "file": file,
        "runs": exploration.runs,
        "seconds": round(exploration.seconds, 3),
        "states": len(exploration.states),
        "new_states": exploration.new_states,
        "points": len(exploration.points),
        "proof": exploration.proof or None,
        "left_out": dict(exploration.left_out),
        "untried": exploration.untried,
        "unapplied": exploration.unapplied,
        "errors": exploration.errors,
        "unconfirmed": exploration.unconfirmed,
        "interrupted": exploration.interrupted,
        "findings": [_finding(finding) for finding in exploration.worst_first],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "task": finding.task,
        "worst": finding.worst,
        "fault": finding.trial.kind,
        "faults": finding.kinds,
        "text": headline(finding.harm, finding.trial),
        "why": finding.cause,
        "decisions": len(finding.trial.strikes),
        "runs": finding.runs,
        "accepted": finding.accepted,
        "scenario": finding.scenario,
    }


def markdown_report(name: str, exploration: Exploration) -> str:
    """The matrix as a table, then the findings as a list."""
    head, *rows = matrix_rows(exploration)
    lines = [f"# What the tasks of {name} survive", "", heading(name, exploration), ""]
    lines += [_row(head), _row(["---"] * len(head)), *map(_row, rows), ""]
    lines += [f"Left out: `{kind}` ({reason})." for kind, reason in exploration.left_out.items()]
    lines += [f"{text}." for text in untried_lines(exploration)]
    lines += ["", "## Findings", ""] if exploration.new else ["", "Nothing new was found."]
    for number, finding in enumerate(exploration.new, start=1):
        lines.append(f"{number}. {headline(finding.harm, finding.trial)}  ")
        lines.append(f"   Why: {finding.cause}  ")
        if finding.scenario:
            lines.append(f"   `{finding.scenario}`")
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
