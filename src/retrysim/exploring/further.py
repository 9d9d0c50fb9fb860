"""What comes after all single faults: pairs of faults, orders and lengths, drawn, and led by states nobody has seen.

Before anything is drawn, each host that goes first in a tie of the run without a fault lets the others go first once.
A run that reached a new state is gone on with: the next fault strikes at a point that this run came by after its own
fault, such as the second attempt of a task whose worker was killed. Each round leaves out half of the kinds
(Groce et al., "Swarm Testing", ISSTA 2012).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from retrysim.exploring.draws import PLAIN, yields
from retrysim.exploring.exploration import Explorer
from retrysim.exploring.kinds import FaultKind, strikes_at
from retrysim.exploring.points import Point
from retrysim.exploring.trial import Strike, Trial, TrialResult

#: Lengths that are drawn: shorter and longer than what clients, heartbeats and visibility timeouts wait.
_LENGTHS: Mapping[str, Sequence[str]] = {
    "for": ("100ms", "1s", "5s", "30s", "2m", "20m"),
    "by": ("50ms", "1s", "3s", "20s", "2m", "1h10m"),
    "after": ("1ms", "500ms", "3s", "1m"),
}
#: No trial has more faults than this.
_MOST_STRIKES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A run that is worth going on with: its trial, and the points that it came by after its last fault."""

    trial: Trial
    points: tuple[Point, ...]


class Further:
    """Draws trials, round by round; the same seed draws the same, whatever the number of processes."""

    def __init__(self, explorer: Explorer, seed: str) -> None:
        self._explorer = explorer
        self.rng = random.Random(f"explore/{seed}")
        self._kinds = list(explorer.kinds)
        self._corpus: list[Seed] = [Seed(trial=Trial(), points=tuple(explorer.exploration.points))]
        self._pairs = [(one.name, other.name) for one, other in product(self._kinds, repeat=2)]
        self.rng.shuffle(self._pairs)
        self._number = 0

    def learn(self, trial: Trial, result: TrialResult) -> None:
        """Keep a run that reached a state which nobody had seen before."""
        if result.points and len(trial.strikes) < _MOST_STRIKES:
            self._corpus.append(Seed(trial=trial, points=tuple(Point(**point) for point in result.points)))

    def round(self) -> list[Trial]:
        """The trials of the next round."""
        kinds = self._swarm()
        return [self._trial(kinds) for _ in range(self._explorer.round_size)]

    def _swarm(self) -> list[FaultKind]:
        half = max(1, (len(self._kinds) + 1) // 2)
        return self.rng.sample(self._kinds, half)

    def _trial(self, kinds: Sequence[FaultKind]) -> Trial:
        self._number += 1
        way = self.rng.random()
        if way < 0.4:
            return self._pair()
        if way < 0.65:
            return Trial(draw=self._draw(), wants_points=True)
        trial = self._one_more(self.rng.choice(self._corpus), kinds)
        return replace(trial, draw=self._draw()) if way > 0.9 else trial

    def _draw(self) -> str:
        way = "pct" if self.rng.random() < 0.25 else "uniform"
        return f"{way}/{self.rng.randrange(1 << 30)}"

    def _pair(self) -> Trial:
        """Two faults; every pair of kinds has its turn before one comes again."""
        first, second = self._pairs[self._number % len(self._pairs)]
        led = [seed for seed in self._corpus if seed.trial.kind == first]
        if led:
            return self._one_more(self.rng.choice(led), self._named(second))
        once = self._one_more(self._corpus[0], self._named(first))
        return self._one_more(Seed(trial=once, points=self._corpus[0].points), self._named(second))

    def _named(self, name: str) -> list[FaultKind]:
        return [kind for kind in self._kinds if kind.name == name]

    def _one_more(self, seed: Seed, kinds: Sequence[FaultKind]) -> Trial:
        """The trial with one more fault at one of the points that it came by; each kind of place is as likely."""
        groups: dict[str, list[Strike]] = {}
        for point in seed.points:
            for strike in strikes_at(point, self._explorer.exploration.around, kinds):
                groups.setdefault(strike.group, []).append(strike)
        if not groups:
            return replace(seed.trial, draw=self._draw(), wants_points=True)
        strike = self.rng.choice(groups[self.rng.choice(list(groups))])
        if self.rng.random() < 0.3:
            strike = replace(strike, decisions=tuple(self._other_lengths(one) for one in strike.decisions))
        return replace(seed.trial, strikes=(*seed.trial.strikes, strike), wants_points=True)

    def _other_lengths(self, decision: Mapping[str, Any]) -> dict[str, Any]:
        """The decision with lengths that are drawn, and perhaps some time after its event."""
        drawn: dict[str, Any] = {}
        for key, value in decision.items():
            if key in _LENGTHS:
                drawn[key] = self.rng.choice(_LENGTHS[key])
            elif isinstance(value, Mapping):
                drawn[key] = self._other_lengths(value)
            else:
                drawn[key] = value
        if "event" in drawn and "after" not in drawn and self.rng.random() < 0.5:
            drawn["after"] = self.rng.choice(_LENGTHS["after"])
        return drawn


def search_further(explorer: Explorer, further: Further, *, share: tuple[int, int] = (0, 1)) -> None:
    """Try who might be slow at each instant, then draw and run until the budget is used up."""
    for _, plain in explorer.each([Trial(draw=PLAIN)]) if explorer.is_bounded else ():
        slow = [Trial(draw=draw, wants_points=True) for draw in yields(plain.ties)[share[0] :: share[1]]]
        explorer.run_all(slow, learn=further.learn)
    while not explorer.is_used_up:
        explorer.run_all(further.round(), learn=further.learn)
