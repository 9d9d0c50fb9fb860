"""A trace as lines of text: what happened at each instant; of events that are alike, one line with their number."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from retrysim.reports.shown import shown
from retrysim.reports.story import StoryLine, line_of
from retrysim.reports.words import grouped, instant_of, last_part, since
from retrysim.trace import Trace


def timeline(trace: Trace, *, each: bool = False) -> Iterator[str]:
    """The lines; with ``each`` every event has its own."""
    trace = shown(trace)
    for at_ns, found in groupby((line_of(trace, event) for event in trace), key=lambda line: line.at_ns):
        head = f"{instant_of(trace, at_ns)}  {since(trace, at_ns)}"
        for text in _texts(trace, list(found), each=each):
            yield f"{head:<22}  {text}".rstrip()
            head = ""


def _texts(trace: Trace, lines: list[StoryLine], *, each: bool) -> Iterator[str]:
    """What happened at one instant; alike are events of one kind, of tasks of one name, with the same gist."""
    alike: dict[object, list[StoryLine]] = {}
    for index, line in enumerate(lines):
        alike.setdefault(index if each else (line.mark, _name(trace, line), line.gist), []).append(line)
    for found in alike.values():
        first = found[0]
        who = _name(trace, first)
        if len(found) > 1:
            yield _joined(first.mark, f"{grouped(len(found))} x {who}".rstrip(), first.gist)
        else:
            yield _joined(first.mark, f"{who}[{(first.task_id or '')[:8]}]" if who else "", first.text)


def _joined(mark: str, who: str, text: str) -> str:
    return "  ".join(part for part in (f"{mark:<8}", who, text) if part)


def _name(trace: Trace, line: StoryLine) -> str:
    task = trace.tasks.get(line.task_id or "")
    return last_part(task.name) if task else ""
