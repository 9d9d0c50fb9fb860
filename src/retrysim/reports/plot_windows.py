"""Calls per window of one limit: served below, refused on top in another colour, the limit as a line."""

from __future__ import annotations

from retrysim.reports.drawing import Drawing, line, rect, text, text_width
from retrysim.reports.windows import LimitUse, Window
from retrysim.reports.words import about, grouped, second_of
from retrysim.trace import Trace

_TOP, _PLOT, _BOTTOM = 44.0, 132.0, 26.0
_LEFT, _RIGHT = 2.0, 70.0
#: The room for all windows together, and for one of them.
_ROOM, _NARROWEST, _WIDEST = 620.0, 4.0, 84.0
#: Room in which a count can be read.
_READABLE = 34.0


def windows_plot(trace: Trace, use: LimitUse) -> Drawing:
    """The plot of one limit."""
    slot = min(_WIDEST, max(_NARROWEST, _ROOM / len(use.windows)))
    heading, detail = heading_of(use)
    needed = max(text_width(heading, 13), text_width(detail)) + 8
    plot_width = slot * len(use.windows)
    scale = (_PLOT - 16) / use.highest
    body = [text(_LEFT, 14, heading, "head"), text(_LEFT, 30, detail, "dim")]
    for index, window in enumerate(use.windows):
        body.append(_bar(window, _LEFT + index * slot, slot, scale))
    body += [_limit(use, plot_width, scale), line(_LEFT, _base(), _LEFT + plot_width, _base(), "axis")]
    body += _labels(trace, use, slot)
    return Drawing(width=max(needed, _LEFT + plot_width + _RIGHT), height=_TOP + _PLOT + _BOTTOM, body="".join(body))


def heading_of(use: LimitUse) -> tuple[str, str]:
    """What the limit is of, and what it says."""
    whose = f"{use.partition}, " if use.partition else ""
    how = f"in any {about(use.rolling_ns)}, counted here in stretches of that" if use.rolling_ns else "per window"
    return f"{use.fake} {use.bucket}".rstrip(), f"{whose}{grouped(use.limit)} {how}"


def _base() -> float:
    return _TOP + _PLOT


def _bar(window: Window, x: float, slot: float, scale: float) -> str:
    gap = min(10.0, slot * 0.2)
    width, served, refused = slot - gap, window.served * scale, window.refused * scale
    x += gap / 2
    parts = [rect(x, _base() - served, width, served, "served")]
    if window.refused:
        parts.append(rect(x, _base() - served - refused, width, refused, "refused"))
    if slot >= _READABLE:
        parts += _counts(window, x + width / 2, served, refused)
    return "".join(parts)


def _counts(window: Window, middle: float, served: float, refused: float) -> list[str]:
    counts = []
    if window.served and (served >= 15 or not window.refused):
        kind, y = ("count on mid", 12) if served >= 15 else ("count mid", -4)
        counts.append(text(middle, _base() - served + y, grouped(window.served), kind))
    if window.refused:
        kind, y = ("count dark mid", 12) if refused >= 15 else ("count mid", -4)
        counts.append(text(middle, _base() - served - refused + y, grouped(window.refused), kind))
    return counts


def _limit(use: LimitUse, plot_width: float, scale: float) -> str:
    y = _base() - use.limit * scale
    end = _LEFT + plot_width + 6
    return line(_LEFT, y, end, y, "limit") + text(end + 4, y + 4, f"limit {grouped(use.limit)}", "limit-label")


def _labels(trace: Trace, use: LimitUse, slot: float) -> list[str]:
    """When a window began, under as many bars as there is room for."""
    labels, free = [], 0.0
    for index, window in enumerate(use.windows):
        words, middle = second_of(trace, window.start_ns), _LEFT + (index + 0.5) * slot
        half = text_width(words) / 2
        x = max(middle, _LEFT + half)
        if x - half >= free:
            labels.append(text(x, _base() + 16, words, "tick mid"))
            free = x + half + 8
    return labels
