"""Calls per window: for each limit that was met, how many calls each of its windows served and turned away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrysim.trace import ApiCalled, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch in which calls were counted together; it begins with its first call."""

    start_ns: int
    served: int
    refused: int
    limit: int

    @property
    def calls(self) -> int:
        return self.served + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """What one partition used of one limit.

    ``rolling_ns`` is 0 for a limit with windows of its own. A sliding one has none (each call tells another reset):
    its calls are counted in stretches of that length.
    """

    fake: str
    bucket: str
    partition: str
    windows: Sequence[Window]
    rolling_ns: int = 0

    @property
    def limit(self) -> int:
        return max(window.limit for window in self.windows)

    @property
    def refused(self) -> int:
        return sum(window.refused for window in self.windows)

    @property
    def highest(self) -> int:
        return max(self.limit, *(window.calls for window in self.windows))


def limit_uses(trace: Trace) -> list[LimitUse]:
    """Every limit of the run by fake, bucket and partition: those that turned most calls away first."""
    calls: dict[tuple[str, str, str], list[ApiCalled]] = {}
    for call in trace.of(ApiCalled):
        if call.limit is not None and call.reset_ns is not None:
            calls.setdefault((call.fake, call.bucket, call.partition), []).append(call)
    uses = [_use(*key, found) for key, found in calls.items()]
    return sorted(uses, key=lambda use: -use.refused)


def _use(fake: str, bucket: str, partition: str, calls: Sequence[ApiCalled]) -> LimitUse:
    resets = {call.reset_ns for call in calls}
    rolling_ns = 0
    if len(resets) > max(3, len(calls) // 4):
        rolling_ns = max(1, max((call.reset_ns or 0) - call.at_ns for call in calls))
    return LimitUse(
        fake=fake,
        bucket=bucket,
        partition=partition,
        windows=_windows(calls, rolling_ns),
        rolling_ns=rolling_ns,
    )


def _windows(calls: Sequence[ApiCalled], rolling_ns: int) -> list[Window]:
    grouped: dict[int, list[ApiCalled]] = {}
    first_ns = calls[0].at_ns
    for call in calls:
        key = (call.at_ns - first_ns) // rolling_ns if rolling_ns else call.reset_ns or 0
        grouped.setdefault(key, []).append(call)
    return [
        Window(
            start_ns=first_ns + key * rolling_ns if rolling_ns else found[0].at_ns,
            served=sum(call.decision != "limited" for call in found),
            refused=sum(call.decision == "limited" for call in found),
            limit=max(call.limit or 0 for call in found),
        )
        for key, found in grouped.items()
    ]
