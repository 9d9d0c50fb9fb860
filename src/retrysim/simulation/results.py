"""``sim.results``: the faults that storing a result can have."""

from __future__ import annotations

from retrysim.celery.result_conditions import ResultConditions
from retrysim.durations import Duration, parse_duration
from retrysim.simulation.route_verbs import Note


class ResultsHandle:
    """The result store of a simulation, as a test sees it. With Redis results, a stopped broker stops them, too."""

    def __init__(self, conditions: ResultConditions, note: Note) -> None:
        self._conditions = conditions
        self._note = note

    def slow(self, by: Duration, *, name: str | None = None) -> None:
        """From here on storing a result takes that much longer; ``slow(0)`` undoes it."""
        self._conditions.slow_by_ns = parse_duration(by)
        self._note(name or "slow results", "slow_results", "results")

    def stop(self, *, name: str | None = None) -> None:
        """From here on no result can be stored: the connection is refused."""
        self._conditions.is_down = True
        self._note(name or "stop results", "stop", "results")

    def start(self, *, name: str | None = None) -> None:
        """Results can be stored again."""
        self._conditions.is_down = False
        self._note(name or "stop results", "start", "results")
