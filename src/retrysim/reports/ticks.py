"""Which instants are named under a time axis: the wide ones, and round times where there is room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from retrysim.durations import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from retrysim.reports.drawing import text_width
from retrysim.reports.lanes import LanePosition
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
#: Pixels between two labels.
_BETWEEN = 14.0
#: So few instants are all named, where there is room.
_FEW = 12
#: Of more multiples of a step than this, most would find no room.
_MOST = 2_000


def ticks(trace: Trace, scale: Scale) -> list[int]:
    """The instants to name, in order of time; no two labels meet."""
    row = _Row(trace, scale)
    row.add([scale.instants[0]])
    row.add(_wide(scale))
    few = scale.instants if len(scale.instants) <= _FEW else scale.instants[-1:]
    row.add(ns for ns in few if ns % SECOND == 0)
    for step in _STEPS:
        round_times = [ns for ns in _multiples(scale, step) if ns not in row.named]
        fitting = row.fitting(round_times)
        if round_times and 2 * len(fitting) <= len(round_times):
            break
        row.add(fitting)
    for first, last in _stretches(scale):
        row.add_one_between(first, last)
    return sorted(row.named)


class _Row:
    """The labels that are there so far."""

    def __init__(self, trace: Trace, scale: Scale) -> None:
        self.trace, self.scale = trace, scale
        self.named: dict[int, tuple[float, float]] = {}

    def add(self, instants: Iterable[int]) -> None:
        for ns in instants:
            if self._has_room(ns, self.named):
                self.named[ns] = self._extent(ns)

    def add_one_between(self, first: int, last: int) -> None:
        """Name the first instant that has room, unless one is named: a whole second if there is one."""
        if any(first <= ns <= last for ns in self.named):
            return
        seconds = [ns for ns in _multiples(self.scale, SECOND) if first <= ns <= last]
        found = next((ns for ns in (*seconds, first) if self._has_room(ns, self.named)), None)
        self.add([] if found is None else [found])

    def fitting(self, instants: Iterable[int]) -> list[int]:
        """Those that have room, also next to each other."""
        with_them = dict(self.named)
        for ns in instants:
            if self._has_room(ns, with_them):
                with_them[ns] = self._extent(ns)
        return [ns for ns in instants if ns in with_them]

    def _has_room(self, ns: int, others: Mapping[int, tuple[float, float]]) -> bool:
        left, right = self._extent(ns)
        return all(right <= start or left >= end for start, end in others.values())

    def _extent(self, ns: int) -> tuple[float, float]:
        left = self.scale.x(LanePosition(ns))
        return left, left + max(text_width(instant_of(self.trace, ns)), 50) + _BETWEEN


def _wide(scale: Scale) -> list[int]:
    """The instants that take room of their own, the widest first; a long label only where there is room for it."""
    wide = [(-columns, ns) for columns, ns in zip(scale.columns, scale.instants, strict=True) if columns]
    return [ns for _, ns in sorted(wide) if ns % SECOND == 0 or scale.columns_width(ns) > 60]


def _stretches(scale: Scale) -> Iterator[tuple[int, int]]:
    """The first and the last instant of each part of the axis between two folds."""
    first = scale.instants[0]
    for fold in scale.folds:
        yield first, fold.start_ns
        first = fold.end_ns
    yield first, scale.instants[-1]


def _multiples(scale: Scale, step: int) -> list[int]:
    """The multiples of a step that lie on the axis, those in a fold left out."""
    first, last = scale.instants[0], scale.instants[-1]
    multiples = range(first + -first % step, last + 1, step)
    return [ns for ns in multiples[:_MOST] if not scale.is_folded(ns)]
