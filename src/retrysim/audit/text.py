"""An audit as text for a person: a table and sentences, 80 columns wide, in colours only on a terminal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from retrysim.audit.chain import WINDOWS_NS, Coverage
from retrysim.audit.finding import AuditFinding, FindingKind
from retrysim.audit.findings import percent, shown
from retrysim.audit.report import AppReport, PolicyRow, TaskReport
from retrysim.durations import format_duration

#: What a long name is broken into, and how narrow the column of names may be.
_PARTS = re.compile(r"[^_.:]+[_.:]*|[_.:]+")
_NARROWEST = 12
#: Nothing is wrong in what these say; the rest is a warning.
_PLAIN = frozenset(
    {FindingKind.LOST, FindingKind.CLIPPED, FindingKind.BY_HAND, FindingKind.TIME_LIMIT, FindingKind.LEFT_OUT}
)
JITTERS = "Where jitter decides what the retries cover, that is the least/median/most of all plays. "
AS_IF_REACHED = "A call of retry in a body (NAME:LINE) is judged as if every attempt came to it. "
NOTHING_ELSE_RAN = (
    "Only retry policies ran, on a simulated worker: each body was replaced by one that fails, and hooks, routers, "
    "signal receivers and bootsteps were left out. What Redis or SQS does to a message that waits long is judged by "
    "the app's settings, what RabbitMQ does is played. Windows are closed from the first attempt on."
)


def render(report: AppReport) -> RenderableType:
    """The whole audit."""
    parts: list[RenderableType] = [_heading(report)]
    retrying = [task for task in report.tasks if task.retries]
    if retrying:
        parts.append(_table(report, retrying))
        parts.append(Text(""))
    parts.append(_sentences(report))
    parts += _by_hand(report)
    parts.append(Text(f"\n{footnote(report)}", style="dim"))
    return Group(*parts)


def footnote(report: AppReport) -> str:
    """What was run, and what was assumed."""
    judged_by_hand = any(task.by_hand and task.rows for task in report.tasks)
    jitters = any(row.coverage is not None and not row.coverage.span.is_one for row in rows_of(report))
    return (JITTERS if jitters else "") + (AS_IF_REACHED if judged_by_hand else "") + NOTHING_ELSE_RAN


def rows_of(report: AppReport) -> Iterator[PolicyRow]:
    """The policies of all tasks."""
    return (row for task in report.tasks for row in task.rows)


def _heading(report: AppReport) -> Text:
    ways = {way: sum(task.way == way for task in report.tasks) for way in ("automatic", "by hand", "none", "unread")}
    counts = f"{ways['automatic']} retried by Celery, {ways['by hand']} by hand, {ways['none']} not at all"
    if ways["unread"]:
        counts += f", {ways['unread']} could not be read"
    total = len(report.tasks)
    return Text(f"{report.app}: {total} {'task' if total == 1 else 'tasks'}: {counts}\n", style="bold")


def short_names(report: AppReport) -> dict[str, str]:
    """Each task's name, as short as it can be told from the others: its last words."""
    short = {task.name: task.name.rpartition(".")[2] for task in report.tasks}
    taken = Counter(short.values())
    return {name: last if taken[last] == 1 else name for name, last in short.items()}


def _table(report: AppReport, tasks: list[TaskReport]) -> Table:
    title = "lost when the API is closed for"
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        title=title,
        title_justify="right",
        title_style="",
    )
    table.add_column("task", ratio=1)
    table.add_column("retries", justify="right", no_wrap=True)
    table.add_column("covers", justify="right", no_wrap=True)
    for ns in WINDOWS_NS:
        table.add_column(format_duration(ns), justify="right", no_wrap=True)
    names = short_names(report)
    for task in tasks:
        for row in task.rows or (None,):
            table.add_row(_Name(_label(names[task.name], task, row)), *cells(row))
    return table


@dataclass(frozen=True, slots=True)
class _Name:
    """A task's name in a column: a long one goes on in the next line, after a ``_`` or a dot if it has one."""

    name: str

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("\n".join(folded(self.name, options.max_width)))

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(len(self.name), _NARROWEST), len(self.name)).with_maximum(options.max_width)


def folded(name: str, width: int) -> list[str]:
    """The lines of a name that is wider than its column."""
    lines = [""]
    for part in _PARTS.findall(name):
        if len(lines[-1]) + len(part) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    return [line[at : at + width] for line in lines for at in range(0, max(1, len(line)), width)]


def _label(name: str, task: TaskReport, row: PolicyRow | None) -> str:
    line = "" if row is None else row.label.removeprefix(task.name)
    return name + line


def cells(row: PolicyRow | None) -> list[str]:
    """Retries, what they cover, and the share that is lost in each window."""
    if row is None or row.coverage is None:
        return ["?", "needs a test", *("" for _ in WINDOWS_NS)]
    coverage = row.coverage
    if coverage.endless:
        return ["no end", "no end", *("0%" for _ in WINDOWS_NS)]
    return [_range(coverage), _covers(coverage), *(percent(coverage.lost(ns)) for ns in WINDOWS_NS)]


def _range(coverage: Coverage) -> str:
    spread = coverage.retries
    return str(spread.least) if spread.is_one else f"{spread.least}..{spread.most}"


def _covers(coverage: Coverage) -> str:
    span = coverage.span
    return shown(span.least) if span.is_one else f"{shown(span.least)}/{shown(span.median)}/{shown(span.most)}"


def _sentences(report: AppReport) -> Table:
    names = short_names(report)
    grid = Table.grid(padding=(0, 1, 0, 0))
    for finding in report.findings:
        grid.add_row(*_bullet(finding, ""))
    for finding, tasks in grouped(report):
        grid.add_row(*_bullet(finding, joined_names([names[task] for task in tasks])))
    return grid


def grouped(report: AppReport) -> list[tuple[AuditFinding, list[str]]]:
    """Each sentence once, with the tasks that it is true of; warnings first."""
    tasks: dict[AuditFinding, list[str]] = {}
    for task in report.tasks:
        for finding in task.all_findings:
            tasks.setdefault(finding, [])
            if task.name not in tasks[finding]:
                tasks[finding].append(task.name)
    return sorted(tasks.items(), key=lambda entry: entry[0].kind in _PLAIN)


def joined_names(names: list[str], most: int = 3) -> str:
    """``a, b, c and 9 more``."""
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _bullet(finding: AuditFinding, names: str) -> tuple[Text, Text]:
    sign = Text("-") if finding.kind in _PLAIN else Text("!", style="yellow")
    return sign, Text.assemble((names, "bold"), ": " if names else "", finding.text)


def _by_hand(report: AppReport) -> Iterable[RenderableType]:
    wanting = [task for task in report.tasks if any(not call.plain for call in task.by_hand)]
    if not wanting:
        return
    yield Text("\nWhat these do depends on what their bodies meet. Write a test for each:")
    for task in wanting:
        yield Text(f"  retrysim new {task.name} --app {report.app}", style="bold", no_wrap=True, overflow="ignore")
    yield Text(f"or see all of them: retrysim audit {report.app} --tests")
