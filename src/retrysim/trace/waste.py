"""What the retries of a run cost beside what the limit would have allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from retrysim.durations import format_duration, to_timedelta
from retrysim.trace.events import ApiCalled

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """The calls that one caller made against one limit (``bucket``) of a fake.

    ``served`` and ``refused`` are calls, ``peak`` is the most calls in one window, refused ones included.
    ``quota_used`` is the share of the calls that the limit allowed, from the first call to the last that was served,
    which were used (1.0: all). ``drained_in`` is the time from the first call to the last that was served, ``optimum``
    the shortest in which the limit could have served as many.

    Windows are read from the resets that answers tell: the figures are exact for limits that count in windows, and for
    buckets they are what such a window would give.
    """

    fake: str
    bucket: str
    partition: str
    limit: int
    served: int
    refused: int
    peak: int
    quota_used: float
    drained_in: timedelta
    optimum: timedelta

    def __str__(self) -> str:
        drained, best = (format_duration(span // _MICROSECOND * 1_000) for span in (self.drained_in, self.optimum))
        return (
            f"{self.fake} {self.bucket} ({self.partition}): {self.served} served, {self.refused} refused, "
            f"peak {self.peak} of {self.limit} per window, {self.quota_used:.0%} of the quota used, "
            f"drained in {drained} (optimum {best})"
        )


_MICROSECOND = timedelta(microseconds=1)


def waste_of(calls: Iterable[ApiCalled]) -> list[Waste]:
    """The waste of each caller of each limit, in the order in which they first called."""
    groups: dict[_Key, list[ApiCalled]] = {}
    for call in calls:
        if call.limit and call.reset_ns is not None and call.decision in ("served", "limited"):
            groups.setdefault((call.fake, call.bucket, call.partition), []).append(call)
    return [_waste(key, calls) for key, calls in groups.items()]


def _waste(key: _Key, calls: Sequence[ApiCalled]) -> Waste:
    served = [call for call in calls if call.decision == "served"]
    limit = max(call.limit or 0 for call in calls)
    begun_ns, ended_ns = calls[0].at_ns, served[-1].at_ns if served else calls[0].at_ns
    reset_ns = calls[0].reset_ns or begun_ns
    window_ns = max((call.reset_ns or call.at_ns) - call.at_ns for call in calls) or 1
    windows = 1 if ended_ns < reset_ns else 2 + (ended_ns - reset_ns) // window_ns
    needed = -(-len(served) // limit)
    optimum_ns = 0 if needed < 2 else reset_ns - begun_ns + (needed - 2) * window_ns
    return Waste(
        fake=key[0],
        bucket=key[1],
        partition=key[2],
        limit=limit,
        served=len(served),
        refused=len(calls) - len(served),
        peak=max(Counter(call.reset_ns for call in calls).values()),
        quota_used=len(served) / (limit * windows),
        drained_in=to_timedelta(ended_ns - begun_ns),
        optimum=to_timedelta(optimum_ns),
    )
