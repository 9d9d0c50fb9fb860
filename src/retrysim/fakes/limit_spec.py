"""One limit of an API as data, and the algorithm that its name stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from retrysim.durations import format_duration
from retrysim.errors import FakeError
from retrysim.fakes.nearest import did_you_mean
from retrysim.ratelimit.buckets import leaky_bucket, token_bucket
from retrysim.ratelimit.concurrency import ConcurrencyCap
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.limiter import Limiter
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_counter import SlidingCounter
from retrysim.ratelimit.sliding_log import SlidingLog


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSpec:
    """A named limit.

    ``counted`` is what has a counter of its own: each caller, each endpoint of each caller, or nobody (one counter
    for all). ``step_ns`` is how finely a fixed window begins, ``burst`` the size of a bucket. ``cost`` names the
    function of ``costs.py`` that tells what a call costs.
    """

    name: str
    rate: Rate
    algorithm: str = "fixed window"
    step_ns: int = 1
    burst: int | None = None
    counted: Literal["caller", "endpoint", "all"] = "caller"
    cost: str = "one"
    hidden: bool = False

    def make(self) -> Limiter:
        """A fresh limiter. Raises ``FakeError`` for an algorithm that there is not."""
        if self.algorithm not in _ALGORITHMS:
            hint = did_you_mean(self.algorithm, _ALGORITHMS)
            raise FakeError(f"the limit {self.name!r} has no algorithm {self.algorithm!r}{hint}")
        return _ALGORITHMS[self.algorithm](self)

    def __str__(self) -> str:
        return f"{self.rate.amount} per {format_duration(self.rate.window_ns)} ({self.algorithm})"


def _fixed_window(spec: LimitSpec) -> Limiter:
    return FixedWindow(spec.rate, start_resolution_ns=min(spec.step_ns, spec.rate.window_ns))


_ALGORITHMS: Mapping[str, Callable[[LimitSpec], Limiter]] = MappingProxyType(
    {
        "fixed window": _fixed_window,
        "clock window": lambda spec: FixedWindow(spec.rate, opened_by="clock"),
        "sliding log": lambda spec: SlidingLog(spec.rate),
        "sliding counter": lambda spec: SlidingCounter(spec.rate),
        "token bucket": lambda spec: token_bucket(spec.rate, capacity=spec.burst),
        "leaky bucket": lambda spec: leaky_bucket(spec.rate, size=spec.burst),
        "concurrency": lambda spec: ConcurrencyCap(spec.rate.amount),
    }
)
