"""When workers received the messages that they have not acked, and which sweeps came in a moment that decides."""

from __future__ import annotations

from retrysim.clock import GRID_NS
from retrysim.durations import MILLISECOND, SECOND, format_duration
from retrysim.kernel import Environment

#: Real sweeps are a few milliseconds early or late.
_NEAR_NS = 10 * MILLISECOND


class Visibility:
    """The receptions of one Redis; ``notes`` gets a sentence where a sweep and a visibility timeout are a tie."""

    def __init__(self, environment: Environment, notes: list[str]) -> None:
        self._environment = environment
        self._notes = notes
        self._received_us = 0
        #: tag -> the instant, without the skew of a clock, and the name of the task
        self._received: dict[str, tuple[int, str]] = {}

    def receive(self, tag: str, name: str) -> float:
        """The instant at which a message is received now, in seconds since the epoch; a microsecond apart at least.

        It is read off the clock of whoever receives it.
        """
        clock = self._environment.clock
        self._received_us = max(clock.ns // GRID_NS, self._received_us + 1)
        self._received[tag] = clock.ns, name
        return (self._received_us * GRID_NS + clock.skew_ns) / SECOND

    def settle(self, tag: str | bytes) -> None:
        """The message is acked, rejected or restored."""
        self._received.pop(tag if isinstance(tag, str) else tag.decode(), None)

    def sweep_takes(self, tag: str, visibility_timeout: float) -> None:
        """A sweep makes a message visible again."""
        if tag not in self._received:
            return
        received_ns, name = self._received[tag]
        timeout_ns = int(visibility_timeout * SECOND)
        if abs(self._environment.clock.ns - received_ns - timeout_ns) > _NEAR_NS:
            return
        timeout, less, more = (format_duration(timeout_ns * share // 100) for share in (100, 97, 103))
        note = (
            f"{name}: its visibility timeout ({timeout}) ended in the moment of a sweep, which delivered it again; in "
            f"production, milliseconds decide whether this sweep does or the next one. Play {less} and {more}, too"
        )
        if note not in self._notes:
            self._notes.append(note)
