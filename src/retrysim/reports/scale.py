"""The time axis of the drawings: stretches in which much happens are wide, long ones of nothing are folded.

An instant at which many attempts began and ended is as wide as they need. A gap between two instants is drawn to scale
if it is not much longer than the usual one; beyond that its width grows with the logarithm of its length, so that a
longer wait is never drawn shorter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log2

from retrysim.durations import SECOND
from retrysim.reports.lanes import LanePosition, Lanes

#: Pixels: the width to fill, the widest drawing and the widest column; the usual gap, at least and at most.
_FULL, _WIDEST, _COLUMN = 920.0, 6000.0, 24.0
_GAP, _WIDEST_GAP = 0.5, 60.0
#: So many usual gaps are so far from being to scale that the stretch is called folded.
_FOLDED = 12
#: The room for an attempt in the fullest lane.
_BAR = 5.0
#: How much a drawing that does not fill the width may be stretched.
_STRETCH = 2.0
#: With more gaps than this, the usual one sets the scale although nothing runs in it.
_FEW_GAPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch between two instants at which something happened; ``folded`` when it is not to scale."""

    start_ns: int
    end_ns: int
    x: float
    width: float
    folded: bool

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.start_ns


@dataclass(frozen=True)
class Scale:
    """Where an instant is drawn, in pixels from the left."""

    instants: Sequence[int]
    lefts: Sequence[float]  # where the first column of each instant begins
    columns: Sequence[int]
    column_width: float
    gaps: Sequence[Gap]
    width: float

    def x(self, place: LanePosition) -> float:
        """The pixel of a place; between two instants, in proportion."""
        index = max(0, bisect_right(self.instants, place.at_ns) - 1)
        left = self.lefts[index] + min(place.column, self.columns[index]) * self.column_width
        if place.at_ns <= self.instants[index] or index >= len(self.gaps):
            return left
        gap = self.gaps[index]
        return gap.x + gap.width * (place.at_ns - gap.start_ns) / gap.length_ns

    def columns_width(self, ns: int) -> float:
        """How wide an instant is drawn, of those at which something happened."""
        return self.columns[bisect_right(self.instants, ns) - 1] * self.column_width

    def is_folded(self, ns: int) -> bool:
        """Whether an instant lies inside a fold."""
        index = bisect_right(self.instants, ns) - 1
        return index < len(self.gaps) and self.gaps[index].folded and self.gaps[index].start_ns < ns

    @cached_property
    def folds(self) -> list[Gap]:
        return [gap for gap in self.gaps if gap.folded]


def scale_of(lanes: Lanes) -> Scale:
    """The time axis for a run."""
    instants = sorted({place.at_ns for place in lanes.places}) or [0]
    columns = [lanes.columns[ns] for ns in instants]
    lengths = [later - earlier for earlier, later in pairwise(instants)]
    room = _room(lanes)
    usual = _usual(lengths, _busy(lanes, instants))
    widths = [_gap_width(length, usual) for length in lengths]
    if usual:
        gap = min(_WIDEST_GAP, max(_GAP, room / sum(widths)))
        widths = [width * gap for width in widths]
    folded = [not usual or length > _FOLDED * usual for length in lengths]
    return _assembled(instants, columns, lengths, widths, folded, room)


def _room(lanes: Lanes) -> float:
    """How wide a drawing may be: as much as the fullest lane needs."""
    fullest = max(Counter(bar.lane for bar in lanes.bars).values(), default=0)
    return min(_WIDEST, max(_FULL, _BAR * fullest))


def _busy(lanes: Lanes, instants: Sequence[int]) -> list[bool]:
    """For each gap, whether an attempt runs in it."""
    index = {ns: position for position, ns in enumerate(instants)}
    changes = [0] * (len(instants) + 1)
    for bar in lanes.bars:
        changes[index[bar.start.at_ns]] += 1
        changes[index[bar.end.at_ns]] -= 1
    running, busy = 0, []
    for change in changes[: len(instants) - 1]:
        running += change
        busy.append(running > 0)
    return busy


def _usual(lengths: Sequence[int], busy: Sequence[bool]) -> int:
    """What nine of ten gaps in which something runs do not pass; 0 when there are too few gaps to say what is usual."""
    usual = sorted(length for length, runs in zip(lengths, busy, strict=True) if runs)
    if not usual and len(lengths) > _FEW_GAPS:
        usual = sorted(lengths)
    return usual[len(usual) * 9 // 10] if usual else 0


def _gap_width(length_ns: int, usual_ns: int) -> float:
    """In usual gaps; where there is no usual one, in pixels."""
    if not usual_ns:
        return 30 + 7 * log2(1 + length_ns / SECOND)
    ratio = length_ns / usual_ns
    return ratio if ratio <= 4 else 2 + log2(ratio)  # the two meet at 4


def _assembled(
    instants: Sequence[int],
    columns: Sequence[int],
    lengths: Sequence[int],
    widths: Sequence[float],
    folded: Sequence[bool],
    room: float,
) -> Scale:
    column_width, stretch = _fitted(sum(columns), sum(widths), room)
    x, lefts, gaps = 0.0, [], []
    for index, ns in enumerate(instants):
        lefts.append(x)
        x += columns[index] * column_width
        if index < len(lengths):
            width = widths[index] * stretch
            gap = Gap(start_ns=ns, end_ns=ns + lengths[index], x=x, width=width, folded=folded[index])
            gaps.append(gap)
            x += width
    return Scale(instants, lefts, columns, column_width, gaps, max(x, 1.0))


def _fitted(columns: int, gaps: float, room: float) -> tuple[float, float]:
    """The width of a column and the stretch of the gaps, so that the whole fills the room if it can."""
    column = min(_COLUMN, max(3.0, (room - gaps) / columns)) if columns else 0.0
    natural = columns * column + gaps
    if natural > _WIDEST:
        return column * _WIDEST / natural, _WIDEST / natural
    stretch = min(_STRETCH, max(1.0, room / natural)) if natural else 1.0
    return column * stretch, stretch
