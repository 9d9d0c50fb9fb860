"""How long an API takes: ``"200ms"``, or anything between two durations, ``"100ms to 2s"``."""

from __future__ import annotations

from dataclasses import dataclass

from retrysim.durations import MICROSECOND, Duration, parse_duration
from retrysim.errors import FakeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From the request's last byte to the answer's first, in nanoseconds."""

    least_ns: int = 0
    most_ns: int = 0

    def draw(self, word: int) -> int:
        """A latency in whole microseconds, even between the bounds; ``word`` is a random number."""
        steps = (self.most_ns - self.least_ns) // MICROSECOND
        return self.least_ns + word % (steps + 1) * MICROSECOND


def parse_latency(value: Duration) -> Latency:
    """Raises ``DurationError`` for what is not a valid duration, ``FakeError`` for a range that runs backwards."""
    if isinstance(value, str) and " to " in value:
        least, _, most = value.partition(" to ")
        latency = Latency(least_ns=parse_duration(least), most_ns=parse_duration(most))
        if latency.least_ns > latency.most_ns:
            raise FakeError(f'a latency of {value!r} runs backwards: expected the shorter one first, "1s to 2s"')
        return latency
    constant = parse_duration(value)
    return Latency(least_ns=constant, most_ns=constant)
