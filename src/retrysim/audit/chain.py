"""What the copies of a task did while their API stayed closed: when each was tried, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from retrysim.durations import DAY, HOUR, MINUTE, SECOND, format_duration

#: The windows that every audit judges.
WINDOWS_NS: tuple[int, ...] = (SECOND, MINUTE, 15 * MINUTE, HOUR, DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One copy: the instants of its attempts since the first, and the state it ended in.

    ``endless``: it was still retrying when the audit stopped it.
    """

    attempts_ns: tuple[int, ...]
    state: str
    endless: bool

    @property
    def span_ns(self) -> int:
        """From the first attempt to the last."""
        return self.attempts_ns[-1] if self.attempts_ns else 0

    @property
    def delays_ns(self) -> tuple[int, ...]:
        """The time before each retry."""
        return tuple(b - a for a, b in zip(self.attempts_ns, self.attempts_ns[1:], strict=False))

    def outlives(self, window_ns: int) -> bool:
        """Whether an attempt falls on the end of the window or after it; the window is half-open."""
        return self.endless or (bool(self.attempts_ns) and self.span_ns >= window_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Three figures of a distribution."""

    least: int
    median: int
    most: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Spread:
        return cls(least=min(values), median=median_low(values), most=max(values))

    @property
    def is_one(self) -> bool:
        return self.least == self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a retry policy outlives: computed from many copies of the task."""

    chains: tuple[Chain, ...]

    @property
    def retries(self) -> Spread:
        return Spread.of([max(0, len(chain.attempts_ns) - 1) for chain in self.chains])

    @property
    def span(self) -> Spread:
        """Nanoseconds between the first attempt and the last."""
        return Spread.of([chain.span_ns for chain in self.chains])

    @property
    def longest_delay_ns(self) -> int:
        return max((delay for chain in self.chains for delay in chain.delays_ns), default=0)

    @property
    def endless(self) -> bool:
        return all(chain.endless for chain in self.chains)

    @property
    def states(self) -> tuple[str, ...]:
        """How the copies ended, each state once."""
        return tuple(dict.fromkeys(chain.state for chain in self.chains))

    @property
    def retries_at_all(self) -> bool:
        return self.retries.most > 0

    def lost(self, window_ns: int) -> float:
        """The share of the tasks that is lost when the API is closed for so long from the first attempt on."""
        return sum(not chain.outlives(window_ns) for chain in self.chains) / len(self.chains)

    def edges_ns(self) -> tuple[int, ...]:
        """The windows on whose end the last attempt falls exactly, in every copy."""
        last = self.span
        return tuple(ns for ns in WINDOWS_NS if last.is_one and last.least == ns and not self.endless)

    def as_json(self) -> dict[str, Any]:
        """Times in seconds; a span without end is ``null``."""
        spans = None if self.endless else _in_seconds(self.span)
        return {
            "copies": len(self.chains),
            "retries": None if self.endless else _plain(self.retries),
            "span": spans,
            "longest_delay": self.longest_delay_ns / SECOND,
            "lost": {format_duration(ns): self.lost(ns) for ns in WINDOWS_NS},
            "ends_in": list(self.states),
        }


def _plain(spread: Spread) -> dict[str, float]:
    return {"min": spread.least, "median": spread.median, "max": spread.most}


def _in_seconds(spread: Spread) -> dict[str, float]:
    return {name: value / SECOND for name, value in _plain(spread).items()}
