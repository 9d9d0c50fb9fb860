"""``sim.results``: the faults that storing a result can have."""

from __future__ import annotations

from retrysim.celery.result_weather import ResultWeather
from retrysim.durations import Duration, parse_duration
from retrysim.simulation.broker import Note


class ResultsHandle:
    """The result store of a simulation, as a test sees it. With Redis results, a stopped broker stops them, too."""

    def __init__(self, weather: ResultWeather, note: Note) -> None:
        self._weather = weather
        self._note = note

    def slow(self, by: Duration, *, name: str | None = None) -> None:
        """From here on storing a result takes that much longer; ``slow(0)`` undoes it."""
        self._weather.slow_by_ns = parse_duration(by)
        self._note(name or "slow results", "slow_results", "results")

    def stop(self, *, name: str | None = None) -> None:
        """From here on no result can be stored: the connection is refused."""
        self._weather.is_down = True
        self._note(name or "stop results", "stop", "results")

    def start(self, *, name: str | None = None) -> None:
        """Results can be stored again."""
        self._weather.is_down = False
        self._note(name or "stop results", "start", "results")
