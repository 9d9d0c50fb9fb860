"""A run as one HTML page that needs nothing else: its figures, its plots, and every task's story.

The page's parts (template, styles, script) are in the folder ``page``. Nothing in it depends on when it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from retrysim.clock import time_of_day, to_datetime
from retrysim.printable import json_text, printable, printable_line
from retrysim.reports.drawing import rect
from retrysim.reports.faults import faults_of
from retrysim.reports.figures import Figures, figures_by_name, figures_of, length_ns
from retrysim.reports.page_data import page_data
from retrysim.reports.plot_lanes import lanes_plot
from retrysim.reports.plot_windows import heading_of, windows_plot
from retrysim.reports.shown import shown
from retrysim.reports.story import line_of
from retrysim.reports.svg import LIMIT_COLOURS, lane_legend, part
from retrysim.reports.windows import limit_uses
from retrysim.reports.words import about, count_of, grouped, instant_of, last_part, since
from retrysim.trace import ApiCalled, Trace
from retrysim.trace.story import story_of

#: How many limits are drawn, and the longest story of an endpoint, in characters.
_LIMITS, _STORY = 12, 160


def html_report(trace: Trace, *, title: str, failure: str = "") -> str:
    """The text of the page; ``failure`` is what does not hold, if something does not."""
    trace = shown(trace)
    figures = figures_of(trace.tasks.values(), trace.lost())
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(part("page.html"))
    return template.render(
        title=printable_line(title),
        failure=printable(failure.strip()),
        verdict=_verdict(figures),
        span=_span(trace),
        tiles=_tiles(trace, figures),
        faults=_faults(trace),
        name_columns=_COLUMNS,
        by_name=[_name_row(name, row) for name, row in figures_by_name(trace).items()],
        endpoints=_endpoints(trace),
        data=Markup(json_text(page_data(trace), compact=True).replace("<", "\\u003c")),
        **_limits(trace),
        lanes=_lanes(trace),
        **{name.replace(".", "_"): Markup(part(name)) for name in ("plots.css", "page.css", "page.js")},
        light=Markup(part("light.css")),
        dark=Markup(part("dark.css")),
    )


# -- figures -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cell:
    """A figure; ``kind`` is its colour: ``bad``, ``again``, ``none`` for a zero."""

    name: str
    value: str
    kind: str = ""


def _verdict(figures: Figures) -> _Cell:
    """The run in a sentence."""
    bad = [(figures.lost, "lost"), (figures.failed, "failed"), (figures.rejected, "rejected")]
    parts = [f"{grouped(count)} {word}" for count, word in bad if count]
    if parts:
        return _Cell("", f"{', '.join(parts)} of {count_of(figures.submitted, 'task')}", "bad")
    if figures.pending:
        return _Cell("", f"{grouped(figures.pending)} of {count_of(figures.submitted, 'task')} had not settled", "none")
    if not figures.submitted:
        return _Cell("", "No task was sent", "none")
    retried = f", {grouped(figures.retried)} of them after a retry" if figures.retried else ""
    return _Cell("", f"{count_of(figures.succeeded, 'task')} succeeded{retried}; none was lost", "good")


def _span(trace: Trace) -> str:
    last_ns = max((event.at_ns for event in trace), default=trace.start_ns)
    ended_ns = trace.ended.at_ns if trace.ended else last_ns
    day = _day(trace.start_ns)
    return f"{day}, {time_of_day(trace.start_ns)} to {instant_of(trace, ended_ns)} UTC, virtual · seed {trace.seed}"


def _day(ns: int) -> str:
    date = to_datetime(ns)
    return f"{date:%A} {date.day} {date:%B %Y}"


def _tiles(trace: Trace, figures: Figures) -> list[_Cell]:
    calls = trace.of(ApiCalled)
    refused = sum(call.decision == "limited" for call in calls)
    return [
        _Cell("Tasks", grouped(figures.submitted)),
        _number("Succeeded", figures.succeeded),
        _number("Retried", figures.retried, "again"),
        _number("Failed", figures.failed, "bad"),
        _number("Lost", figures.lost, "bad"),
        *(_number(name, count) for name, count in _rare(figures) if count),
        _Cell("Attempts", grouped(figures.attempts)),
        _Cell("Most attempts", grouped(max((len(task.attempts) for task in trace.tasks.values()), default=0))),
        _Cell("Calls", grouped(len(calls)), "" if calls else "none"),
        _number("Refused", refused, "again"),
        _Cell("Virtual time", about(length_ns(trace))),
        _Cell("p50", _took(figures.p50_ns)),
        _Cell("p99", _took(figures.p99_ns)),
    ]


def _rare(figures: Figures) -> list[tuple[str, int]]:
    return [
        ("Pending", figures.pending), ("Revoked", figures.revoked),
        ("Rejected", figures.rejected), ("Ignored", figures.ignored),
    ]  # fmt: skip


def _number(name: str, count: int, kind: str = "") -> _Cell:
    return _Cell(name, grouped(count), kind if count else "none")


def _took(ns: int | None) -> str:
    return "-" if ns is None else about(ns)


_COLUMNS = ("Sent", "Succeeded", "Retried", "Failed", "Lost", "Attempts", "p50", "p99")


def _name_row(name: str, row: Figures) -> dict[str, Any]:
    cells = [
        _Cell("", grouped(row.submitted)),
        _number("", row.succeeded),
        _number("", row.retried, "again"),
        _number("", row.failed + row.rejected, "bad"),
        _number("", row.lost, "bad"),
        _Cell("", grouped(row.attempts)),
        _Cell("", _took(row.p50_ns)),
        _Cell("", _took(row.p99_ns)),
    ]
    return {"name": last_part(name), "full": name, "cells": cells}


def _endpoints(trace: Trace) -> list[dict[str, str]]:
    calls: dict[tuple[str, str], list[ApiCalled]] = {}
    for call in trace.of(ApiCalled):
        calls.setdefault((call.fake, call.endpoint), []).append(call)
    return [
        {
            "fake": fake,
            "endpoint": endpoint,
            "calls": grouped(len(found)),
            "refused": grouped(sum(call.decision == "limited" for call in found)),
            "story": _cut(story_of((call.at_ns, call.answer) for call in found)),
        }
        for (fake, endpoint), found in calls.items()
    ]


def _cut(story: str) -> str:
    return story if len(story) <= _STORY else story[:_STORY].rpartition(" ")[0] + " …"


# -- plots -------------------------------------------------------------------------------------------------------------


def _limits(trace: Trace) -> dict[str, Any]:
    uses = limit_uses(trace)
    plots = []
    for use in uses[:_LIMITS]:
        label = "Calls per window: " + ", ".join(heading_of(use))
        plots.append({"label": label, "svg": Markup(windows_plot(trace, use).svg(label))})
    rest = len(uses) - len(plots)
    more = f"and {count_of(rest, 'limit')} more, with fewer refused calls" if rest else ""
    return {"limits": plots, "limits_legend": _legend(LIMIT_COLOURS), "more_limits": more}


def _lanes(trace: Trace) -> dict[str, Markup] | None:
    plot = lanes_plot(trace, {task_id: index for index, task_id in enumerate(trace.tasks)})
    if plot is None:
        return None
    return {
        "legend": _legend(lane_legend(trace, plot)),
        "labels": Markup(plot.labels.svg("Workers and their slots")),
        "plot": Markup(plot.plot.svg("Attempts over virtual time, and the tasks that wait")),
    }


def _legend(entries: Sequence[tuple[str, str]]) -> Markup:
    shapes = [
        f'<span><svg aria-hidden="true">{rect(0, 0, 11, 11, kind)}</svg>{words}</span>' for kind, words in entries
    ]
    return Markup("".join(shapes))


def _faults(trace: Trace) -> list[dict[str, str]]:
    lines = [line_of(trace, event) for _, event in faults_of(trace)]
    return [
        {
            "clock": instant_of(trace, line.at_ns),
            "since": since(trace, line.at_ns),
            "mark": line.mark,
            "text": line.text,
        }
        for line in lines
    ]
