"""Draws a run from its trace alone: in a browser, a README, Perfetto, a terminal, or compared with another."""

from retrysim.reports.comparison import difference, difference_text
from retrysim.reports.html import html_report
from retrysim.reports.listing import timeline
from retrysim.reports.perfetto import perfetto_report
from retrysim.reports.selection import selected
from retrysim.reports.svg import svg_report
from retrysim.reports.terminal import terminal_report

__all__ = [
    "difference",
    "difference_text",
    "html_report",
    "perfetto_report",
    "selected",
    "svg_report",
    "terminal_report",
    "timeline",
]
