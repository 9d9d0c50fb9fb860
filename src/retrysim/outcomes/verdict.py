"""What a person reads when an invariant does not hold: what, which task, how it came, short for many alike."""

from __future__ import annotations

from collections.abc import Iterable

from retrysim.errors import Violation
from retrysim.invariants.invariant import Finding
from retrysim.trace import Trace

#: How many problems of one invariant are shown in full.
_SHOWN = 1


def raise_findings(trace: Trace, findings: Iterable[Finding]) -> None:
    """Raise ``Violation`` with the text of all findings; nothing is raised for none."""
    __tracebackhide__ = True  # pytest shows the line of the test
    text = findings_text(trace, findings)
    if text:
        raise Violation(text)


def findings_text(trace: Trace, findings: Iterable[Finding]) -> str:
    """One paragraph per invariant; the first line begins with its name."""
    return "\n\n".join(_paragraph(trace, finding) for finding in findings)


def _paragraph(trace: Trace, finding: Finding) -> str:
    first, *others = finding.problems
    lines = [f"{finding.invariant}: {first.text}"]
    if first.task_id in trace.tasks:
        task = trace.tasks[first.task_id]
        lines += [f"  task      {task.name}[{task.task_id}]", f"  timeline  {task.timeline}"]
        if task.calls:
            lines.append(f"  calls     {task.calls}")
        if task.failure and task.failure.traceback:
            lines += [f"  {line}" for line in task.failure.traceback.rstrip().splitlines()]
    lines += [f"  and: {problem.text}" for problem in others[: _SHOWN - 1]]
    if len(others) >= _SHOWN:
        lines.append(f"  and {len(others) - _SHOWN + 1} more like it")
    return "\n".join(lines)
