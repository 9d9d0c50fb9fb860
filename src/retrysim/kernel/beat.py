"""A beat: an event that is due again and again, and mostly changes nothing. Time jumps over hours of nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from retrysim.clock import VirtualClock

if TYPE_CHECKING:
    from retrysim.kernel.schedule import Schedule

#: What ``Beat.pass_by`` returns of an event that is not due again.
NEVER_AGAIN = 0
#: A schedule of more events than these is not searched.
_MANY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Regular:
    """A beat that changes nothing before ``until_ns`` (``None``: ever), and repeats itself after ``period_ns``."""

    period_ns: int
    until_ns: int | None = None


class Beat(Protocol):
    """Decides what an event is that is due again and again. It is asked outside of all processes."""

    def pass_by(self) -> int | None:
        """If what is due now would change nothing, leave what it would leave, and return when it is due next.

        ``NEVER_AGAIN`` if it is not; ``None`` for an event that has to be fired.
        """
        ...

    def regular(self) -> Regular | None:
        """How it goes on from here if nothing else happens; ``None`` if nobody knows."""
        ...

    def move(self, ns: int) -> None:
        """Leave what whole periods of nothing else, this long together, would leave. The clock has moved already."""
        ...


class Stillness:
    """Since when nothing but beats was due.

    After one period that all beats have in common, everything is as it was at its beginning, the order of ties
    included, only later. So it will be after each further period, until something else is due.
    """

    def __init__(self, clock: VirtualClock, schedule: Schedule) -> None:
        self._clock = clock
        self._schedule = schedule
        self._since_ns: int | None = None
        self._look_ns: int | None = None

    def end(self) -> None:
        """Something happens that is no beat."""
        self._since_ns = None

    def whole_periods_ns(self, until_ns: int) -> int:
        """A beat has passed: how far time may jump now, and not reach ``until_ns``."""
        now_ns = self._clock.ns
        if self._since_ns is None:
            self._since_ns = self._look_ns = now_ns
        if self._look_ns is None or now_ns < self._look_ns:
            return 0
        self._look_ns = None
        period_ns, room_ns = self._room(until_ns)
        if not period_ns or room_ns < period_ns:
            return 0
        if now_ns < self._since_ns + period_ns:
            self._look_ns = self._since_ns + period_ns
            return 0
        return room_ns // period_ns * period_ns

    def _room(self, until_ns: int) -> tuple[int, int]:
        """The period that all beats have in common, 0 for none, and how much later they may be due, and time may be."""
        pending, now_ns = self._schedule.pending(), self._clock.ns
        end_ns = min([until_ns, *(event.ns for event in pending if event.beat is None)])
        if any(event.ns >= end_ns for event in pending if event.beat is not None):
            return 0, 0  # whose period is longer
        beats = [(event, event.beat.regular()) for event in pending[:_MANY] if event.beat is not None]
        regular = [(event.ns, beat) for event, beat in beats if beat is not None]
        if not regular or len(pending) > _MANY or len(regular) < len(beats):
            return 0, 0
        rooms = [end_ns - 1 - now_ns]
        # A beat that is due after its end would have been due at its end.
        rooms += [beat.until_ns - max(ns, now_ns + 1) for ns, beat in regular if beat.until_ns is not None]
        return math.lcm(*(beat.period_ns for _, beat in regular)), min(rooms)

    def jump(self, ns: int) -> None:
        """Let whole periods pass."""
        self._clock.advance_to(self._clock.ns + ns)
        beats = [event.beat for event in self._schedule.pending() if event.beat is not None]
        self._schedule.move_beats(ns)
        for beat in beats:
            beat.move(ns)
