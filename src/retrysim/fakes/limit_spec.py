"""One limit of an API as data, and the algorithm that its name stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from retrysim.errors import FakeError
from retrysim.nearest import did_you_mean
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

    ``rates`` are those of single endpoints that have another, ``anonymous`` that of callers without credentials.
    ``counted`` is what has a counter of its own: a caller, an endpoint of a caller, or nothing less than all.
    ``step_ns`` is how finely a fixed window begins, ``burst`` the size of a bucket. ``cost`` names what a call costs
    (see ``costs.py``). A ``hidden`` limit is in no header.
    """

    name: str
    rate: Rate
    rates: Mapping[str, Rate] = field(default_factory=dict)
    anonymous: Rate | None = None
    algorithm: str = "fixed window"
    step_ns: int = 1
    burst: int | None = None
    counted: Literal["caller", "endpoint", "all"] = "caller"
    cost: str = "one"
    hidden: bool = False

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            hint = did_you_mean(self.algorithm, ALGORITHMS)
            raise FakeError(f"the limit {self.name!r} has no algorithm {self.algorithm!r}{hint}")

    @property
    def is_concurrency(self) -> bool:
        """Whether units come back when answers end, not with time."""
        return self.algorithm == "concurrency"

    def limiter(self, rate: Rate) -> Limiter:
        """A fresh limiter of this kind for one of the rates."""
        return ALGORITHMS[self.algorithm](self, rate)


def _fixed_window(spec: LimitSpec, rate: Rate) -> Limiter:
    return FixedWindow(rate, start_resolution_ns=min(spec.step_ns, rate.window_ns))


ALGORITHMS: Mapping[str, Callable[[LimitSpec, Rate], Limiter]] = MappingProxyType(
    {
        "fixed window": _fixed_window,
        "clock window": lambda spec, rate: FixedWindow(rate, opened_by="clock"),
        "sliding log": lambda spec, rate: SlidingLog(rate),
        "sliding counter": lambda spec, rate: SlidingCounter(rate),
        "token bucket": lambda spec, rate: token_bucket(rate, capacity=spec.burst),
        "leaky bucket": lambda spec, rate: leaky_bucket(rate, size=spec.burst),
        "concurrency": lambda spec, rate: ConcurrencyCap(rate.amount),
    }
)
