"""The two plots of a run as one SVG, for a README or a ticket: calls per window, and the swim lanes.

It follows the reader's light or dark theme, and holds nothing but shapes and text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files

from retrysim.reports.drawing import Drawing, number, rect, text, text_width
from retrysim.reports.faults import faults_of
from retrysim.reports.lanes import KILLED, RUNNING
from retrysim.reports.plot_lanes import LanesPlot, lanes_plot
from retrysim.reports.plot_windows import windows_plot
from retrysim.reports.shown import shown
from retrysim.reports.windows import limit_uses
from retrysim.trace import Trace

_PAD, _GAP, _LEGEND = 20.0, 28.0, 22.0
#: How many limits are drawn: those that turned most calls away.
_LIMITS = 4
#: What the colours of the calls mean.
LIMIT_COLOURS = [("served", "served"), ("refused", "refused by the limit")]


def svg_report(trace: Trace) -> str:
    """The text of an SVG file."""
    trace = shown(trace)
    limits = [windows_plot(trace, use) for use in limit_uses(trace)[:_LIMITS]]
    lanes = lanes_plot(trace, {})
    width = max([640.0, *(plot.width for plot in limits), *([lanes.width] if lanes else [])])
    rows = [*_flowed(limits, width), *_lanes_row(trace, lanes)]
    width = max([width, *(row.width for row in rows)])
    height = sum(row.height for row in rows) + _GAP * max(0, len(rows) - 1)
    body, y = [], _PAD
    for row in rows or [Drawing(width=width, height=20, body=text(0, 14, "nothing was attempted", "dim"))]:
        body.append(row.at(_PAD, y))
        y += row.height + _GAP
    return svg_file(width + 2 * _PAD, max(height, 20) + 2 * _PAD, "".join(body), "A run of retrysim")


@cache
def part(name: str) -> str:
    """A file of the package's folder ``page``."""
    return (files("retrysim.reports") / "page" / name).read_text(encoding="utf-8")


def legend(entries: Iterable[tuple[str, str]]) -> Drawing:
    """A line of coloured squares, each with its word."""
    x, parts = 0.0, []
    for kind, words in entries:
        parts += [rect(x, 2, 10, 10, kind), text(x + 15, 11, words, "dim")]
        x += 15 + text_width(words, 9.6) + 18
    return Drawing(width=x, height=_LEGEND, body="".join(parts))


def lane_legend(trace: Trace, plot: LanesPlot) -> list[tuple[str, str]]:
    """What the colours of the lanes mean; only those that occur."""
    states = [
        ("SUCCESS", "succeeded"), ("RETRY", "to be retried"), ("FAILURE", "failed"), ("REJECTED", "rejected"),
        ("REVOKED", "revoked"), ("IGNORED", "ignored"), (KILLED, "killed with its worker"), (RUNNING, "still running"),
    ]  # fmt: skip
    entries = [(state, words) for state, words in states if f'class="bar {state}"' in plot.plot.body]
    if 'class="queued"' in plot.plot.body:
        entries += [("queued", "waits in a queue"), ("held", "waits with a worker")]
    if faults_of(trace):
        entries.append(("fault-head", "fault"))
    return [*entries, ("fold", "nothing happens: folded")] if 'class="fold"' in plot.plot.body else entries


def _flowed(plots: Sequence[Drawing], width: float) -> list[Drawing]:
    """The plots in rows, side by side where there is room; first what their colours mean."""
    if not plots:
        return []
    rows: list[list[Drawing]] = [[]]
    for plot in plots:
        if rows[-1] and sum(p.width + _GAP for p in rows[-1]) + plot.width > width:
            rows.append([])
        rows[-1].append(plot)
    title = _titled("Calls per window", LIMIT_COLOURS)
    return [title, *(_side_by_side(row) for row in rows)]


def _side_by_side(plots: Sequence[Drawing]) -> Drawing:
    x, parts = 0.0, []
    for plot in plots:
        parts.append(plot.at(x, 0))
        x += plot.width + _GAP
    return Drawing(width=x, height=max(plot.height for plot in plots), body="".join(parts))


def _lanes_row(trace: Trace, lanes: LanesPlot | None) -> list[Drawing]:
    return [_titled("Attempts", lane_legend(trace, lanes)), lanes.together()] if lanes else []


def _titled(title: str, entries: list[tuple[str, str]]) -> Drawing:
    x = text_width(title, 15) + 28
    shown = legend(entries)
    return Drawing(width=x + shown.width, height=18, body=text(0, 13, title, "title") + shown.at(x, 1))


def svg_file(width: float, height: float, body: str, label: str) -> str:
    """The elements as the text of a file; ``label`` is what a screen reader says of it."""
    light, dark = part("light.css"), part("dark.css")
    style = f"svg {{ {light} }} @media (prefers-color-scheme: dark) {{ svg {{ {dark} }} }} {part('plots.css')}"
    size = f'width="{number(width)}" height="{number(height)}" viewBox="0 0 {number(width)} {number(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(label)}">'
        f"<style>{style}svg .title {{ font-size: 15px; font-weight: 650; }}</style>"
        f"{rect(0, 0, width, height, 'paper')}{body}</svg>\n"
    )
