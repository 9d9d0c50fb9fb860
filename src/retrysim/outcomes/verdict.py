"""What a person reads when an invariant does not hold: what, which task, what led there, and how to run it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from retrysim.errors import Violation
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.outcomes.alike import groups
from retrysim.outcomes.columns import columns
from retrysim.printable import printable
from retrysim.trace import FaultFired, TaskHistory, Trace, WorkerStopped

_AROUND = re.compile(r'  File "[^"]*[/\\]celery[/\\]app[/\\](trace|task|autoretry)\.py"')
_LIBRARY = re.compile(r'  File "[^"]*([/\\](site-packages|lib[/\\]python[\d.]+)[/\\]|<frozen )')
#: How many kinds of problem of one invariant are told.
_KINDS = 4


def raise_findings(
    trace: Trace, findings: Sequence[BrokenInvariant], *, replay: str = "", notes: Iterable[str] = ()
) -> None:
    """Raise ``Violation`` with the text of all findings, and the notes below it; nothing is raised for none."""
    __tracebackhide__ = True  # pytest shows the line of the test
    if findings:
        below = [printable(trace.redact(f"note: {note}")) for note in notes]
        below += [f"replay: {replay}"] if replay else []
        raise Violation("\n".join([findings_text(trace, findings), *([""] if below else []), *below]))


def findings_text(trace: Trace, findings: Iterable[BrokenInvariant]) -> str:
    """One paragraph per invariant; the first line begins with its name. Only the first one draws its task."""
    paragraphs = ("\n".join(_paragraph(trace, one, drawn=number == 0)) for number, one in enumerate(findings))
    return printable(trace.redact("\n\n".join(paragraphs)))


def _paragraph(trace: Trace, finding: BrokenInvariant, *, drawn: bool) -> Iterator[str]:
    kinds = groups(finding.problems)
    first, *alike = kinds[0]
    yield f"{finding.invariant}: {first.text}"
    yield from _of_task(trace, first, drawn=drawn)
    if alike:
        yield f"  and {len(alike)} more like it"
    for kind in kinds[1:_KINDS]:
        yield f"  and: {kind[0].text}"
        if len(kind) > 1:
            yield f"       and {len(kind) - 1} more like it"
    if len(kinds) > _KINDS:
        yield f"  and {sum(map(len, kinds[_KINDS:]))} others"
    yield from _close(finding)
    yield from _led_there(trace, first)


def _of_task(trace: Trace, problem: Problem, *, drawn: bool) -> Iterator[str]:
    task = trace.tasks.get(problem.task_id or "")
    if task is None:
        return
    yield f"  task      {task.name}[{task.task_id}]"
    yield f"  timeline  {task.timeline}"
    if task.calls:
        yield f"  calls     {task.calls}"
    if drawn:
        yield from (f"  {line}" for line in columns(trace, task))
        yield from (f"  {line}" for line in _traceback(task))


def _traceback(task: TaskHistory) -> Iterator[str]:
    """The traceback of the failure: the frames of the project's own code, and how many of libraries come between."""
    lines = task.failure.traceback.rstrip().split("\n") if task.failure else []
    body = _file_of_the_body(lines)
    hidden, is_hidden = 0, False
    for line in lines:
        is_frame = line.startswith("  File ")
        if is_frame or not line.startswith(" "):
            is_hidden = is_frame and _LIBRARY.match(line) is not None and _file_of(line) != body
            hidden += is_hidden and _AROUND.match(line) is None
            if hidden and not is_hidden:
                yield f"  ({hidden} inside of libraries)"
                hidden = 0
        if not is_hidden:
            yield line


def _file_of_the_body(lines: Sequence[str]) -> str | None:
    """The file of a task that is itself a library's, where no frame is the project's: Celery calls its body first."""
    frames = [line for line in lines if line.startswith("  File ")]
    if not all(map(_LIBRARY.match, frames)):
        return None
    last = max((number for number, line in enumerate(lines) if line.startswith("Traceback ")), default=0)
    called = (line for line in lines[last:] if line.startswith("  File ") and not _AROUND.match(line))
    return next(map(_file_of, called), None)


def _file_of(frame: str) -> str:
    return frame.partition('"')[2].partition('"')[0]


def _close(finding: BrokenInvariant) -> Iterator[str]:
    """How near it came: of how many things the same holds."""
    right = finding.judged - len(finding.problems)
    if right > 0:
        yield f"  it holds for {right} of {finding.judged} ({finding.of})"


def _led_there(trace: Trace, problem: Problem) -> Iterator[str]:
    """Faults and lost workers, where there is no task whose table shows them."""
    if problem.task_id in trace.tasks:
        return
    for event in trace:
        if isinstance(event, FaultFired):
            yield f"  before    fault {event.name}: {event.verb} {event.target}"
        elif isinstance(event, WorkerStopped):
            yield f"  before    {event.worker} was gone ({event.how})"
