"""Swim lanes: worker slots down, virtual time across, one bar per attempt; below them how many tasks wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from retrysim.reports.depth import Depth, depths_of
from retrysim.reports.drawing import Drawing, line, number, rect, text, text_width
from retrysim.reports.faults import faults_of
from retrysim.reports.lanes import Bar, LanePosition, Lanes, lanes_of
from retrysim.reports.scale import Gap, Scale, scale_of
from retrysim.reports.story import line_of
from retrysim.reports.ticks import ticks
from retrysim.reports.words import about, count_of, grouped, instant_of, since
from retrysim.trace import Trace

_TOP, _WORKER_GAP, _DEPTH_GAP, _DEPTH, _AXIS = 8.0, 10.0, 18.0, 56.0, 40.0
#: Room for the labels on the left, and for what a label at the right end may stand out.
LABELS, _MARGIN = 104.0, 76.0
#: Room above the lanes for the names of faults.
_FAULTS = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LanesPlot:
    """The labels on the left and the drawing next to them, which may be wide."""

    labels: Drawing
    plot: Drawing

    @property
    def width(self) -> float:
        return LABELS + self.plot.width

    def together(self) -> Drawing:
        body = self.labels.body + self.plot.at(LABELS, 0)
        return Drawing(width=self.width, height=self.plot.height, body=body)


def lanes_plot(trace: Trace, order: Mapping[str, int]) -> LanesPlot | None:
    """The lanes of a run; ``order`` is the number by which a bar names its task. ``None``: nothing was attempted."""
    lanes = lanes_of(trace)
    if not lanes.bars:
        return None
    canvas = _Canvas(trace, lanes, scale_of(lanes), depths_of(trace), order)
    height, body = canvas.axis + _AXIS, "".join(canvas.plot())
    return LanesPlot(
        labels=Drawing(width=LABELS, height=height, body="".join(canvas.labels())),
        plot=Drawing(width=canvas.right, height=height, body=body),
    )


class _Canvas:
    """Where everything stands, and the elements to draw it."""

    def __init__(
        self, trace: Trace, lanes: Lanes, scale: Scale, depths: Iterable[Depth], order: Mapping[str, int]
    ) -> None:
        self.trace, self.lanes, self.scale, self.order = trace, lanes, scale, order
        self.depths = list(depths)
        self.at_once = Counter(bar.start.at_ns for bar in lanes.bars if bar.start.at_ns == bar.end.at_ns)
        self.faults = faults_of(trace)
        self.right = scale.width + _MARGIN  # what stands out there makes the drawing wider
        self.top = _TOP + (_FAULTS if self.faults else 0)
        self.named = ticks(trace, scale)
        self.deepest = self._deepest()
        count = len(lanes.lanes)
        self.lane_height = 20.0 if count <= 12 else 13.0 if count <= 40 else 6.0
        self.tops = list(self._tops())
        self.bottom = self.tops[-1] + self.lane_height
        self.base = self.bottom + (_DEPTH_GAP + _DEPTH if self.deepest else 0)
        self.axis = self.base + 4

    def _tops(self) -> Iterator[float]:
        y, before = self.top, self.lanes.lanes[0].worker
        for lane in self.lanes.lanes:
            y += _WORKER_GAP if lane.worker != before else 0
            before = lane.worker
            yield y
            y += self.lane_height

    def _deepest(self) -> int:
        """The most tasks that wait for long enough to be drawn."""
        places = self.lanes.places
        lasts = [before.at_ns != after.at_ns for before, after in pairwise(places)] + [True]
        shown = (
            depth.total
            for place, depth, is_last in zip(places, self.depths, lasts, strict=True)
            if is_last or self.lanes.columns[place.at_ns]
        )
        return max(shown, default=0)

    # -- the left ------------------------------------------------------------------------------------------------------

    def labels(self) -> Iterator[str]:
        roomy = self.lane_height >= 11
        for lane, top in zip(self.lanes.lanes, self.tops, strict=True):
            middle = top + self.lane_height / 2 + 4
            if lane.slot == 1:
                yield text(0, middle, _shortened(lane.worker, 13), "name")
            if roomy:
                yield text(LABELS - 10, middle, str(lane.slot), "dim end")
        if self.deepest:
            yield text(0, self.base - _DEPTH + 10, "waiting", "name")
            yield text(LABELS - 10, self.base - _DEPTH + 10, grouped(self.deepest), "dim end")
            yield text(LABELS - 10, self.base, "0", "dim end")

    # -- the right -----------------------------------------------------------------------------------------------------

    def plot(self) -> Iterator[str]:
        for top in self.tops:
            yield rect(0, top + 1, self.scale.width, self.lane_height - 2, "lane")
        yield from self._depth()
        yield from (self._fold(gap) for gap in self.scale.folds)
        yield from self._marks()
        yield from self._bars()
        yield from self._fold_labels()
        yield from self._axis()
        yield from self._faults()

    def _bars(self) -> Iterator[str]:
        by_state: dict[str, list[str]] = {}
        for bar in self.lanes.bars:
            by_state.setdefault(bar.state, []).append(self._bar(bar))
        for state, bars in sorted(by_state.items()):
            yield f'<g class="bar {state}">{"".join(bars)}</g>'

    def _bar(self, bar: Bar) -> str:
        left, right = self.scale.x(bar.start), self.scale.x(bar.end)
        gap = 1.5 if right - left >= 8 else 0.6 if right - left >= 3 else 0
        inset = 2 if self.lane_height > 8 else 1
        number_of_task = self.order.get(bar.task_id)
        more = "" if number_of_task is None else f' data-t="{number_of_task}"'
        return rect(
            left, self.tops[bar.lane] + inset, max(1.0, right - left - gap), self.lane_height - 2 * inset, more=more
        )

    def _fold(self, gap: Gap) -> str:
        return rect(gap.x, self.top - 4, gap.width, self.axis - self.top + 4, "fold")

    def _fold_labels(self) -> Iterator[str]:
        middle = (self.top + self.bottom) / 2 + 4
        for gap in self.scale.folds:
            words = about(gap.length_ns)
            if text_width(words) + 4 <= gap.width:
                yield text(gap.x + gap.width / 2, middle, words, "fold-label mid")

    def _depth(self) -> Iterator[str]:
        if not self.deepest:
            return
        height = _DEPTH / self.deepest
        yield self._area([depth.total * height for depth in self.depths], "held")
        yield self._area([depth.queued * height for depth in self.depths], "queued")
        yield line(0, self.base, self.scale.width, self.base, "axis")

    def _area(self, heights: list[float], kind: str) -> str:
        """A stepped area; of the events at one pixel, the highest counts."""
        steps: list[tuple[float, float]] = [(0.0, 0.0)]
        for place, height in zip(self.lanes.places, heights, strict=True):
            x = round(self.scale.x(place), 1)
            if x == steps[-1][0] or height != steps[-1][1]:
                steps.append((x, height))
        path = "".join(f"H{number(x)}V{number(self.base - height)}" for x, height in _without_repeats(steps))
        return (
            f'<path class="{kind}" d="M0 {number(self.base)}{path}H{number(self.scale.width)}V{number(self.base)}Z"/>'
        )

    def _marks(self) -> Iterator[str]:
        for ns in self.named:
            left = self.scale.x(LanePosition(ns))
            yield line(left, self.top - 4, left, self.axis + 4, "mark")

    def _axis(self) -> Iterator[str]:
        scale = self.scale
        for left, columns in zip(scale.lefts, scale.columns, strict=True):
            if columns > 1:
                yield rect(left, self.axis, columns * scale.column_width, 2, "instant")
        for ns in self.named:
            left = scale.x(LanePosition(ns))
            yield text(left, self.axis + 17, instant_of(self.trace, ns), "tick")
            yield text(left, self.axis + 31, self._under(ns), "dim")

    def _under(self, ns: int) -> str:
        """The time since the start; of a wide instant also that it is one, for the axis stands still in it."""
        words, count = since(self.trace, ns), self.at_once[ns]
        label = f"{words} · {count_of(count, 'attempt')} at this instant"
        return label if count > 1 and text_width(label) < self.scale.columns_width(ns) + 60 else words

    def _faults(self) -> Iterator[str]:
        marks = [self.scale.x(self.lanes.places[index]) for index, _ in self.faults]
        named_to = 0.0
        for position, (_, event) in enumerate(self.faults):
            x, words = marks[position], _shortened(line_of(self.trace, event).text, 48)
            yield line(x, 12, x, self.axis, "fault")
            yield f'<path class="fault-head" d="M{number(x)} 4l5 5-5 5-5-5z"/>'
            width = text_width(words)
            if x >= named_to and not any(x < mark < x + 9 + width for mark in marks):
                yield text(x + 9, 13, words, "fault-label")
                named_to = x + 14 + width
                self.right = max(self.right, named_to)
            elif x - 9 - width >= named_to and not any(x - 9 - width < mark < x for mark in marks):
                yield text(x - 9, 13, words, "fault-label end")
                named_to = x


def _without_repeats(steps: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Of the steps at one pixel the highest and the last."""
    position = 0
    while position < len(steps):
        x, end = steps[position][0], position
        while end < len(steps) and steps[end][0] == x:
            end += 1
        heights = [height for _, height in steps[position:end]]
        yield x, max(heights)
        if heights[-1] != max(heights):
            yield x, heights[-1]
        position = end


def _shortened(words: str, length: int) -> str:
    return words if len(words) <= length else words[: length - 1] + "…"
