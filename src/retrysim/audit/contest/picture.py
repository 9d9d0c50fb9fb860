"""The contest as one SVG, for a README or a ticket: a row for each policy, its calls over time and its four figures.

It follows the reader's light or dark theme, as the drawings of a run do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from textwrap import wrap

from retrysim.audit.chain import Spread
from retrysim.audit.contest.contest import Contest, Standing, advice
from retrysim.audit.contest.drawing import heading_of, name_of, spread_text
from retrysim.audit.findings import shown
from retrysim.durations import format_duration
from retrysim.reports.drawing import line, rect, text, text_width
from retrysim.reports.svg import legend, svg_file

_PAD, _HEAD, _ROW, _BAR = 20.0, 84.0, 46.0, 34.0
#: How wide are the names, the calls over time and a figure; the room between them.
_NAMES, _CALLS, _FIGURE, _GAP = 150.0, 380.0, 96.0, 18.0
#: The columns of the calls over time, and the least height at which one can be seen.
_COLUMNS, _SEEN = 95, 2.0
#: Characters of the longest name, and of a line of the advice.
_LONGEST_NAME, _LINE = 22, 148
_STYLE = "<style>svg .advice { font-size: 12.5px; } svg .best, svg .spread { stroke: var(--ink); }</style>"
_WIDTH = _NAMES + _CALLS + 4 * (_FIGURE + _GAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """A column of figures: ``told`` is what stands above a bar, ``kind`` its colour."""

    heading: str
    spread: Callable[[Standing], Spread]
    label: Callable[[Standing], str]
    kind: str
    mark: int | None = None  # what is best, marked on each bar

    def most(self, contest: Contest) -> int:
        return max(1, self.mark or 0, *(self.spread(one).most for one in contest.standings))


def contest_svg(contest: Contest) -> str:
    """The text of an SVG file."""
    figures, bottom = _figures(contest), _top(len(contest.standings))
    body = [*_headings(figures, contest), *_lanes(contest), *_axis(contest, bottom), *_marks(contest, figures, bottom)]
    tallest = max(sum(column) for one in contest.standings for column in _columns(one, contest.horizon_ns))
    for index, one in enumerate(contest.standings):
        y = _top(index)
        body += [*_name(one, y), *_calls(one, contest.horizon_ns, y, tallest), *_bars(one, contest, figures, y)]
    lines = wrap(advice(contest), _LINE)
    body += [text(_PAD, bottom + 50 + 17 * index, words, "advice") for index, words in enumerate(lines)]
    height = bottom + 50 + 17 * len(lines) + _PAD - 10
    return svg_file(_WIDTH + 2 * _PAD, height, _STYLE + "".join(body), f"Retry policies: {contest.workload}")


def _figures(contest: Contest) -> list[_Figure]:
    optimum = contest.workload.optimum_ns
    return [
        _Figure(heading="lost", spread=lambda one: one.lost, label=lambda one: spread_text(one.lost), kind="FAILURE"),
        _Figure(
            heading="drained",
            spread=lambda one: Spread.of([0]) if one.lost.least else one.drained,
            label=lambda one: "never" if one.lost.least else shown(one.drained.median),
            kind="served",
            mark=optimum,
        ),
        _Figure(heading="refused", spread=lambda one: one.refused, label=_counted("refused"), kind="refused"),
        _Figure(heading="most calls in 1s", spread=lambda one: one.peak, label=_counted("peak"), kind="queued"),
    ]


def _counted(name: str) -> Callable[[Standing], str]:
    return lambda one: spread_text(getattr(one, name))


# -- above ------------------------------------------------------------------------------------------------------------


def _top(row: int) -> float:
    return _PAD + _HEAD + row * _ROW


def _left(figure: int) -> float:
    return _PAD + _NAMES + _CALLS + _GAP + figure * (_FIGURE + _GAP)


def _headings(figures: list[_Figure], contest: Contest) -> Iterator[str]:
    workload, _, rest = heading_of(contest).partition("; ")
    yield text(_PAD, _PAD + 13, workload, "title")
    yield text(_PAD, _PAD + 32, rest, "dim")
    key = legend([("served", "served"), ("refused", "refused"), ("FAILURE", "lost")])
    yield key.at(_PAD + _NAMES, _PAD + 44)
    yield text(_PAD, _PAD + _HEAD - 10, "policy", "dim")
    yield text(_PAD + _NAMES, _PAD + _HEAD - 10, "calls over time (heights: square roots)", "dim")
    for index, figure in enumerate(figures):
        yield text(_left(index), _PAD + _HEAD - 10, figure.heading, "dim")


# -- a row ------------------------------------------------------------------------------------------------------------


def _name(standing: Standing, y: float) -> Iterator[str]:
    name = name_of(standing)
    shown_name = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    yield text(_PAD, y + _BAR / 2 + 4, shown_name, "name")


def _columns(standing: Standing, horizon_ns: int) -> list[tuple[int, int]]:
    """Served and refused calls of the first seed, in stretches of equal length up to the horizon."""
    served, refused = [0] * _COLUMNS, [0] * _COLUMNS
    for call in standing.results[0].calls:
        column = call.at_ns * _COLUMNS // horizon_ns
        if column < _COLUMNS:
            (served if call.served else refused)[column] += 1
    return list(zip(served, refused, strict=True))


def _calls(standing: Standing, horizon_ns: int, y: float, tallest: int) -> Iterator[str]:
    width, base = _CALLS / _COLUMNS, y + _BAR
    for column, (served, refused) in enumerate(_columns(standing, horizon_ns)):
        x, top, calls = _PAD + _NAMES + column * width, base, served + refused
        for count, kind in ((served, "served"), (refused, "refused")):
            if count:
                height = max(_SEEN, _BAR * sqrt(calls / tallest) * count / calls)
                top -= height
                yield rect(x, top, width - 0.8, height, kind)
    if any(call.at_ns >= horizon_ns for call in standing.results[0].calls):
        last = max(call.at_ns for call in standing.results[0].calls)
        yield text(_PAD + _NAMES + _CALLS - 4, y + 11, f"to {shown(last)} →", "dim end")


def _bars(standing: Standing, contest: Contest, figures: list[_Figure], y: float) -> Iterator[str]:
    for index, figure in enumerate(figures):
        x, spread, scale = _left(index), figure.spread(standing), _FIGURE / figure.most(contest)
        yield text(x, y + 14, figure.label(standing), "count")
        yield rect(x, y + 20, _FIGURE, 8, "lane")
        if spread.median:
            yield rect(x, y + 20, max(_SEEN, spread.median * scale), 8, figure.kind)
        if not spread.is_one:
            yield line(x + spread.least * scale, y + 24, x + spread.most * scale, y + 24, "spread")
        if figure.mark:
            yield line(x + figure.mark * scale, y + 17, x + figure.mark * scale, y + 31, "best")


# -- below and behind -------------------------------------------------------------------------------------------------


def _lanes(contest: Contest) -> Iterator[str]:
    yield from (rect(_PAD + _NAMES, _top(row), _CALLS, _BAR, "lane") for row in range(len(contest.standings)))


def _axis(contest: Contest, y: float) -> Iterator[str]:
    """When a window after the first would open, if the first opens with the first call."""
    horizon_ns, window_ns = contest.horizon_ns, contest.workload.limit.window_ns
    top, free = _PAD + _HEAD, 0.0
    for at_ns in range(0, horizon_ns + 1, window_ns):
        x = _PAD + _NAMES + _CALLS * at_ns / horizon_ns
        words = format_duration(at_ns)
        if x >= free:
            yield line(x, top, x, y - 6, "mark")
            yield text(x, y + 8, words, "tick mid")
            free = x + text_width(words) + 12


def _marks(contest: Contest, figures: list[_Figure], y: float) -> Iterator[str]:
    for index, figure in enumerate(figures):
        if figure.mark:
            x = _left(index) + _FIGURE * figure.mark / figure.most(contest)
            yield text(x, y + 8, f"best {shown(figure.mark)}", "tick mid")
