"""A workload: many tasks at one instant, each with one call to an API that serves fewer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from retrysim.errors import InputError
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.rate import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """``tasks`` are submitted at once; the API serves ``limit`` in windows that the first call opens.

    ``max_retries`` is that of every policy but a task's own; ``None`` is without end.
    """

    tasks: int = 400
    limit: Rate = field(default_factory=lambda: Rate.parse("180 per 15 minutes"))
    max_retries: int | None = 3

    def __post_init__(self) -> None:
        if self.tasks < 1:
            raise InputError(f"tasks={self.tasks}: a workload has at least one task")

    @property
    def windows(self) -> int:
        """How many windows it takes at least."""
        return -(-self.tasks // self.limit.amount)

    @property
    def optimum_ns(self) -> int:
        """The least time in which the limit lets all of it through, from the first call to the last."""
        return (self.windows - 1) * self.limit.window_ns

    def __str__(self) -> str:
        return f"{self.tasks} tasks at once, {self.limit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCall:
    """What a task knows when its call was refused. ``refused_before`` counts the refused calls of all tasks."""

    retries: int
    reset_in: float
    refused_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """A call, as nanoseconds since the start, and whether it was served."""

    at_ns: int
    served: bool


class LimitedApi:
    """The API of a workload: exact, without HTTP, and it remembers its calls."""

    def __init__(self, workload: Workload, clock: Any) -> None:
        self._limit = FixedWindow(workload.limit)
        self._clock = clock
        self._start_ns = clock.ns
        self._refused = 0
        self.calls: list[ApiCall] = []

    def call(self, retries: int) -> RefusedCall | None:
        """``None`` when the call is served."""
        now_ns = self._clock.ns
        decision = self._limit.take("everybody", now_ns)
        self.calls.append(ApiCall(at_ns=now_ns - self._start_ns, served=decision.allowed))
        if decision.allowed:
            return None
        self._refused += 1
        reset_ns = now_ns if decision.retry_at_ns is None else decision.retry_at_ns
        return RefusedCall(retries=retries, reset_in=(reset_ns - now_ns) / 1e9, refused_before=self._refused - 1)
