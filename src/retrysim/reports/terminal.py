"""A run as a person reads it on a terminal of 80 columns: how the tasks ended, the limits, the worst timelines."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from itertools import groupby, zip_longest
from textwrap import wrap

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from retrysim.reports.figures import Figures, figures_by_name, worst
from retrysim.reports.plot_windows import heading_of
from retrysim.reports.shown import shown
from retrysim.reports.windows import LimitUse, Window, limit_uses
from retrysim.reports.words import about, count_of, grouped, last_part, second_of
from retrysim.trace import TaskHistory, Trace

#: How many limits, windows of one, and timelines are shown; and how long a bar and a text may be.
_LIMITS, _WINDOWS, _WORST, _BAR = 3, 10, 3, 32


def terminal_report(trace: Trace, *, width: int = 80) -> str:
    """The text, with colours: who prints it anywhere else than on a terminal takes them out."""
    trace, out = shown(trace), StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=True,
        color_system="standard",
        highlight=False,
        emoji=False,
        markup=False,
    )
    for part in (_names(trace, width), *_limits(trace), *_worst(trace, width)):
        console.print(part, no_wrap=True, overflow="ellipsis", crop=True)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")) + "\n"


# -- tasks -------------------------------------------------------------------------------------------------------------


_HEADINGS = ("submitted", "succeeded", "failed", "lost", "retried", "attempts", "p50", "p99")


def _names(trace: Trace, width: int) -> RenderableType:
    rows = [(last_part(name), _cells(row)) for name, row in figures_by_name(trace).items()]
    taken = [max([len(heading), *(len(cells[i]) for _, cells in rows)]) for i, heading in enumerate(_HEADINGS)]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("task", no_wrap=True, min_width=12, max_width=max(12, width - sum(taken) - len(taken)))
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def _cells(row: Figures) -> list[Text]:
    return [
        _count(row.submitted),
        _count(row.succeeded, "green"),
        _count(row.failed + row.rejected, "red"),
        _count(row.lost, "red"),
        _count(row.retried, "yellow"),
        _count(row.attempts),
        *(Text("-" if ns is None else about(ns)) for ns in (row.p50_ns, row.p99_ns)),
    ]


def _count(number: int, style: str = "") -> Text:
    return Text(grouped(number), style=style if number else "dim")


# -- limits ------------------------------------------------------------------------------------------------------------


def _limits(trace: Trace) -> Iterator[RenderableType]:
    uses = limit_uses(trace)
    for use in uses[:_LIMITS]:
        heading, detail = heading_of(use)
        yield Text.assemble("\n", (heading, "bold"), (f"  {detail}", "dim"))
        for window in use.windows[:_WINDOWS]:
            yield _window(trace, use, window)
        if len(use.windows) > _WINDOWS:
            rest = use.windows[_WINDOWS:]
            refused = sum(window.refused for window in rest)
            counts = f"  and {count_of(len(rest), 'more window')}, {grouped(refused)} refused"
            yield Text(counts, style="dim")
    if len(uses) > _LIMITS:
        yield Text(f"\nand {count_of(len(uses) - _LIMITS, 'more limit')}", style="dim")


def _window(trace: Trace, use: LimitUse, window: Window) -> Text:
    """One window as a bar; the line of the limit stands where it is reached."""
    served = round(window.served * _BAR / use.highest)
    refused = round(window.calls * _BAR / use.highest) - served
    limit = round(use.limit * _BAR / use.highest)
    cells = [("█", "green")] * served + [("▒", "yellow")] * refused + [(" ", "")] * (_BAR - served - refused)
    cells.insert(limit, ("│", "bold"))
    bar = Text()
    for (cell, style), alike in groupby(cells):
        bar.append(cell * len(list(alike)), style)
    counts = f"  {grouped(window.served)} served"
    text = Text.assemble(f"  {second_of(trace, window.start_ns):<8} ", bar, counts)
    return text.append(f", {grouped(window.refused)} refused", "yellow") if window.refused else text


# -- the worst ---------------------------------------------------------------------------------------------------------


def _worst(trace: Trace, width: int) -> Iterator[RenderableType]:
    tasks = [task for task in worst(trace, _WORST) if task.timeline != "SUCCESS"]
    if tasks:
        yield Text("\nworst timelines", style="bold")
    lost = trace.lost()
    for task in tasks:
        yield Text(f"  {last_part(task.name)}[{task.task_id[:8]}]  {_cut(task.timeline, width - 28)}")
        for name, text in _facts(task, lost.get(task.task_id, ""), width - 13):
            yield Text.assemble((f"    {name:<8}", "dim"), text)


def _facts(task: TaskHistory, lost: str, room: int) -> Iterator[tuple[str, str]]:
    """Lines of a name and a text; why a task is lost is given in full."""
    if task.calls:
        yield "calls", _cut(task.calls, room)
    if task.failure:
        yield "raised", _cut(task.failure.exception, room)
    yield from zip_longest(["lost"] if lost else [], wrap(lost, room), fillvalue="")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(1, length - 1)] + "…"
