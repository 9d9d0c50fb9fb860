"""In which order single faults are tried: each place of one task first, then the same places of the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from retrysim.exploring.kinds import FaultKind, strikes_at
from retrysim.exploring.points import Point
from retrysim.exploring.surroundings import AppSettings
from retrysim.exploring.trial import Strike


def single_strikes(points: Sequence[Point], around: AppSettings, kinds: Sequence[FaultKind]) -> list[Strike]:
    """Every kind at every point where it can strike, what differs before what is alike."""
    seen: Counter[str] = Counter()
    ranked = []
    for position, point in enumerate(points):
        for strike in strikes_at(point, around, kinds):
            seen[strike.group] += 1
            ranked.append((seen[strike.group], position, strike))
    rank = {kind.name: number for number, kind in enumerate(kinds)}
    ranked.sort(key=lambda one: (one[0], rank[one[2].kind] if one[0] > 1 else 0, one[1]))
    return [strike for _, _, strike in ranked]
