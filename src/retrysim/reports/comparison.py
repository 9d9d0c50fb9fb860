"""Where two runs part: the first event in which they differ. Task ids do not count, only which task is meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

from retrysim.reports.figures import Figures, figures_of, length_ns
from retrysim.reports.shown import shown
from retrysim.reports.story import line_of
from retrysim.reports.words import about, grouped, instant_of, last_part, since
from retrysim.trace import Event, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """After ``equal`` events, one run has ``left`` and the other ``right``; ``None`` where a run has no more."""

    equal: int
    left: Event | None
    right: Event | None


def difference(left: Trace, right: Trace) -> Difference | None:
    """Where the runs part; ``None`` when the same happened in both."""
    pairs = zip_longest(_comparable(left), _comparable(right))
    for index, (one, other) in enumerate(pairs):
        if one != other:
            return Difference(equal=index, left=_event(left, index), right=_event(right, index))
    return None


def difference_text(left: Trace, right: Trace, names: tuple[str, str]) -> str:
    """What a person reads about two runs."""
    left, right = shown(left), shown(right)
    parted = difference(left, right)
    if parted is None:
        return f"the same happened in both: {grouped(len(left))} events"
    lines = [f"the runs part after {grouped(parted.equal)} equal events"]
    if parted.equal:
        lines.append(f"  both  {_event_text(left, _event(left, parted.equal - 1))}")
    lines += [f"  A     {_event_text(left, parted.left)}", f"  B     {_event_text(right, parted.right)}", ""]
    lines += [f"  A is {names[0]}", f"  B is {names[1]}", ""]
    return "\n".join([*lines, *_figures(left, right)])


def _event(trace: Trace, index: int) -> Event | None:
    return next(iter(trace.after(index)), None)


def _comparable(trace: Trace) -> Iterator[tuple[Any, ...]]:
    """Each event as values in which a task's id is its number in the order of appearance."""
    numbers = {task_id: number for number, task_id in enumerate(trace.tasks, 1)}
    for event in trace:
        values = [_named(getattr(event, field.name), field.name, numbers) for field in fields(event)]
        yield (event.kind, *values)


def _named(value: Any, field: str, numbers: dict[str, int]) -> Any:
    if field in ("task_id", "parent_id"):
        return numbers.get(value, value)
    if field == "holding":
        return [(numbers.get(task_id, task_id), where) for task_id, where in value]
    return value


def _event_text(trace: Trace, event: Event | None) -> str:
    if event is None:
        return "nothing more"
    line = line_of(trace, event)
    task = trace.tasks.get(line.task_id or "")
    who = f"{last_part(task.name)}[{task.task_id[:8]}]  " if task else ""
    return f"{instant_of(trace, line.at_ns)}  {since(trace, line.at_ns)}  {line.mark}  {who}{line.text}".rstrip()


def _figures(left: Trace, right: Trace) -> Iterator[str]:
    """The figures in which the runs differ, side by side."""
    one, other = (figures_of(trace.tasks.values(), trace.lost()) for trace in (left, right))
    rows = [(field.name, _shown(one, field.name), _shown(other, field.name)) for field in fields(Figures)]
    rows.append(("virtual", about(length_ns(left)), about(length_ns(right))))
    different = [row for row in rows if row[1] != row[2]]
    if different:
        yield f"  {'':<10}{'A':>10}{'B':>10}"
    for name, a, b in different:
        yield f"  {name.removesuffix('_ns'):<10}{a:>10}{b:>10}"


def _shown(figures: Figures, name: str) -> str:
    value = getattr(figures, name)
    if value is None:
        return "-"
    return about(value) if name.endswith("_ns") else grouped(value)
