"""What one simulation may use before it is called a runaway, and what it has used."""

from __future__ import annotations

from dataclasses import dataclass

from retrysim.clock import VirtualClock, to_datetime
from retrysim.durations import DAY, format_duration
from retrysim.errors import Runaway


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one simulation may use before it is called a runaway."""

    events: int = 20_000_000
    virtual_ns: int = 3_660 * DAY
    steps_at_one_instant: int = 2_000_000
    daemon_steps: int = 10_000
    attempts_per_task: int = 1_000


class Meter:
    """Counts the steps of a simulation, and those since time last moved; raises ``Runaway`` for too many."""

    def __init__(self, clock: VirtualClock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        #: the steps so far
        self.steps = 0
        self._steps_here = 0

    def count_step(self) -> None:
        self.steps += 1
        self._steps_here += 1
        if self._steps_here > self._limits.steps_at_one_instant:
            raise Runaway(
                f"{self._steps_here} steps at {to_datetime(self._clock.ns).isoformat()} and time does not move: "
                "something runs in a circle without waiting"
            )
        if self.steps > self._limits.events:
            raise Runaway(f"the run took more than {self._limits.events} events (limits: events)")

    def time_has_moved(self) -> None:
        self._steps_here = 0
        if self._clock.ns - self._clock.start_ns > self._limits.virtual_ns:
            limit = format_duration(self._limits.virtual_ns)
            raise Runaway(f"the run took more than {limit} of virtual time (limits: virtual time)")
