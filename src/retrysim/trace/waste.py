"""What the retries of a run cost, compared with what the limit would have allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from retrysim.durations import format_duration, to_timedelta
from retrysim.trace.events import ApiCalled

_Key = tuple[str, str, str]
Optimum = Callable[[str, str, str, int], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """The calls that one caller made against one limit (``bucket``) of a fake.

    ``served`` and ``refused`` are calls, ``peak`` is the most calls in one window, refused ones included.
    ``quota_used`` is the share of the calls that the limit allowed, from the first call to the last that was served,
    which were used (1.0: all). ``drained_in`` is the time from the first call to the last that was served, ``optimum``
    the shortest in which this limit could have served the same calls, whatever its algorithm; ``None`` where that hangs
    on how long answers take (a limit of what is in flight).

    ``peak`` and ``quota_used`` are of the windows that the resets of the answers tell: exact for limits that count in
    windows, and for buckets what such a window would give. ``quota_used`` is ``None`` where nothing comes back by time.
    """

    fake: str
    bucket: str
    partition: str
    limit: int
    served: int
    refused: int
    peak: int
    quota_used: float | None
    drained_in: timedelta
    optimum: timedelta | None

    def __str__(self) -> str:
        optimum = "unknown" if self.optimum is None else _text(self.optimum)
        used = "" if self.quota_used is None else f"{self.quota_used:.0%} of the quota used, "
        return (
            f"{self.fake} {self.bucket} ({self.partition}): {self.served} served, {self.refused} refused, "
            f"peak {self.peak} of {self.limit} per window, {used}"
            f"drained in {_text(self.drained_in)} (optimum {optimum})"
        )


_MICROSECOND = timedelta(microseconds=1)


def _text(span: timedelta) -> str:
    return format_duration(span // _MICROSECOND * 1_000)


def waste_of(calls: Iterable[ApiCalled], optimum_ns: Optimum) -> list[Waste]:
    """The waste of each caller of each limit, in the order in which they first called.

    ``optimum_ns(fake, bucket, partition, start_ns)`` knows how long the limit would have needed at least.
    """
    groups: dict[_Key, list[ApiCalled]] = {}
    for call in calls:
        if call.limit and call.reset_ns is not None and call.decision in ("served", "limited"):
            groups.setdefault((call.fake, call.bucket, call.partition), []).append(call)
    return [_waste(key, calls, optimum_ns(*key, calls[0].at_ns)) for key, calls in groups.items()]


def _waste(key: _Key, calls: Sequence[ApiCalled], optimum_ns: int | None) -> Waste:
    served = [call for call in calls if call.decision == "served"]
    limit = max(call.limit or 0 for call in calls)
    ended_ns = served[-1].at_ns if served else calls[0].at_ns
    windows = _windows(calls, ended_ns)
    return Waste(
        fake=key[0],
        bucket=key[1],
        partition=key[2],
        limit=limit,
        served=len(served),
        refused=len(calls) - len(served),
        peak=max(Counter(call.reset_ns for call in calls).values()),
        quota_used=len(served) / (limit * windows) if windows else None,
        drained_in=to_timedelta(ended_ns - calls[0].at_ns),
        optimum=None if optimum_ns is None else to_timedelta(optimum_ns),
    )


def _windows(calls: Sequence[ApiCalled], ended_ns: int) -> int:
    """How many windows there were until then, as the resets tell; none where nothing comes back by time."""
    reset_ns = calls[0].reset_ns or 0
    window_ns = max((call.reset_ns or 0) - call.at_ns for call in calls)
    if window_ns <= 0:
        return 0
    return 1 if ended_ns < reset_ns else 2 + (ended_ns - reset_ns) // window_ns
