"""An audit as Markdown, for a ticket or a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from retrysim.audit.chain import WINDOWS_NS
from retrysim.audit.report import AppReport
from retrysim.audit.text import cells, footnote, grouped, joined_names
from retrysim.durations import format_duration
from retrysim.printable import printable_line


def markdown(report: AppReport) -> str:
    """A heading, a table and a list of sentences."""
    return "\n".join(
        [f"## Retries of {code(report.app)}", "", *_table(report), "", *_sentences(report), "", footnote(report)]
    )


def _table(report: AppReport) -> Iterator[str]:
    windows = [f"lost in {format_duration(ns)}" for ns in WINDOWS_NS]
    yield _line(["task", "retries", "covers", *windows])
    yield _line(["---", *("---:" for _ in range(2 + len(windows)))])
    for task in report.tasks:
        for row in task.rows or ((None,) if task.retries else ()):
            if task.retries:
                yield _line([code(task.name if row is None else row.label), *cells(row)])


def _sentences(report: AppReport) -> Iterator[str]:
    for finding in report.findings:
        yield f"- **{finding.kind}**: {plain(finding.text)}"
    for finding, tasks in grouped(report):
        yield f"- **{finding.kind}**: {joined_names([code(task) for task in tasks])}: {plain(finding.text)}"


def code(text: str) -> str:
    """A name as code that ends neither itself nor a cell of a table."""
    harmless = printable_line(text).replace("|", "\\|")
    return f"`{harmless}`" if "`" not in harmless else f"`` {harmless} ``"


def plain(text: str) -> str:
    """A sentence in which nothing is a tag of HTML."""
    return printable_line(text).replace("<", "&lt;")


def _line(cells_: list[str]) -> str:
    return f"| {' | '.join(cells_)} |"
