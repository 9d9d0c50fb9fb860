"""Which instants are named under a time axis: the wide ones, and round times where there is room."""

from __future__ import annotations

from collections.abc import Iterator

from retrysim.durations import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from retrysim.reports.drawing import text_width
from retrysim.reports.lanes import Place
from retrysim.reports.scale import Scale
from retrysim.reports.words import instant_of
from retrysim.trace import Trace

_STEPS = [
    *(days * DAY for days in (30, 7, 1)),
    *(hours * HOUR for hours in (12, 6, 3, 1)),
    *(minutes * MINUTE for minutes in (30, 15, 5, 1)),
    *(seconds * SECOND for seconds in (30, 15, 5, 1)),
    *(milliseconds * MILLISECOND for milliseconds in (500, 100, 10, 1)),
]
#: Pixels between two labels, and for how many pixels of the axis one label is enough.
_BETWEEN, _ENOUGH = 14.0, 200.0
#: More multiples of a step than this would be no round times.
_MOST = 2_000


def ticks(trace: Trace, scale: Scale) -> list[int]:
    """The instants to name, in order of time; no two labels meet."""
    taken: list[tuple[float, float]] = []
    named: list[int] = []
    for ns in _candidates(scale):
        left = scale.x(Place(ns))
        right = left + max(text_width(instant_of(trace, ns)), 50) + _BETWEEN
        if ns not in named and all(right <= start or left >= end for start, end in taken):
            taken.append((left, right))
            named.append(ns)
    return sorted(named)


def _candidates(scale: Scale) -> Iterator[int]:
    """Instants in the order of their right to a label."""
    first, last = scale.instants[0], scale.instants[-1]
    yield first
    wide = [(-columns, ns) for columns, ns in zip(scale.columns, scale.instants, strict=True) if columns]
    yield from (ns for _, ns in sorted(wide) if ns % SECOND == 0 or scale.columns_width(ns) > 60)
    count = 0
    for step in _STEPS:
        multiples = range(first - first % step + step, last + 1, step)
        if len(multiples) > _MOST or count * _ENOUGH > scale.width:
            return
        count = len(multiples)
        yield from (ns for ns in multiples if not scale.is_folded(ns))
