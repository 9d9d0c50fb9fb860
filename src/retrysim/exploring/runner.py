"""The protocol of what makes runs: forks of this process, or somebody's executor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from retrysim.exploring.trial import Trial, TrialResult


class Runner(Protocol):
    """Makes runs, as many at once as it can."""

    def results(self, trials: Sequence[Trial]) -> Iterator[tuple[int, TrialResult]]:
        """(index of the trial, its result), as they come."""
        ...
