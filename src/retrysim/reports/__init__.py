"""What a run looks like, drawn from its trace alone: in a browser, a README, Perfetto, a terminal, beside another."""

from retrysim.reports.comparison import difference, told_difference
from retrysim.reports.html import html_report
from retrysim.reports.listing import timeline
from retrysim.reports.perfetto import perfetto_report
from retrysim.reports.selection import selected
from retrysim.reports.svg import svg_report
from retrysim.reports.terminal import terminal_report

__all__ = [
    "difference",
    "html_report",
    "perfetto_report",
    "selected",
    "svg_report",
    "terminal_report",
    "timeline",
    "told_difference",
]
