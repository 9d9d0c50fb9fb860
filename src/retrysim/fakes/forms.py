"""The forms in which APIs write an instant: epoch or wait, whole or decimal, ISO 8601 in several cuts.

Every form rounds up to its step, so that whoever comes at the instant it tells is never too early.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from retrysim.clock import to_datetime
from retrysim.durations import MICROSECOND, MILLISECOND, MINUTE, SECOND
from retrysim.fakes.dates import http_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """``write`` makes the text of a number of steps: those since the epoch, or those from now where it is a wait."""

    step_ns: int
    write: Callable[[int], str]
    is_wait: bool = False

    def steps(self, at_ns: int, now_ns: int) -> int:
        """An instant, in nanoseconds since the epoch, in steps; a wait is never negative."""
        nanoseconds = max(0, at_ns - now_ns) if self.is_wait else at_ns
        return -(-nanoseconds // self.step_ns)

    def text(self, at_ns: int, now_ns: int) -> str:
        """An instant as it is written now."""
        return self.write(self.steps(at_ns, now_ns))

    def told_ns(self, at_ns: int, now_ns: int) -> int:
        """The instant that a reader understands: not before the one that is meant."""
        return self.steps(at_ns, now_ns) * self.step_ns + (now_ns if self.is_wait else 0)


def _decimal(steps: int, per_second: int, digits: int) -> str:
    whole, rest = divmod(steps, per_second)
    return f"{whole}.{rest * 10**digits // per_second:0{digits}}"


def _iso(at_ns: int, form: str) -> str:
    return to_datetime(at_ns).strftime(form)


def _go_duration(milliseconds: int) -> str:
    """A wait as Go prints one: ``6m0s``, ``1.5s``, ``12ms``."""
    if milliseconds < 1_000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 1_000}.{rest % 1_000:03}".rstrip("0").rstrip(".")
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "epoch": Form(step_ns=SECOND, write=str),
        "epoch_ms": Form(step_ns=MILLISECOND, write=str),
        "epoch_decimal": Form(step_ns=MILLISECOND, write=lambda n: _decimal(n, 1_000, 3)),
        "http_date": Form(step_ns=SECOND, write=lambda n: http_date(n * SECOND)),
        "iso": Form(step_ns=SECOND, write=lambda n: _iso(n * SECOND, "%Y-%m-%dT%H:%M:%SZ")),
        "iso_minute": Form(step_ns=MINUTE, write=lambda n: _iso(n * MINUTE, "%Y-%m-%dT%H:%MZ")),
        "iso_us": Form(step_ns=MICROSECOND, write=lambda n: _iso(n * MICROSECOND, "%Y-%m-%dT%H:%M:%S.%fZ")),
        "seconds": Form(step_ns=SECOND, write=str, is_wait=True),
        "seconds_1": Form(step_ns=SECOND // 10, write=lambda n: _decimal(n, 10, 1), is_wait=True),
        "seconds_3": Form(step_ns=MILLISECOND, write=lambda n: _decimal(n, 1_000, 3), is_wait=True),
        "ms": Form(step_ns=MILLISECOND, write=str, is_wait=True),
        "go": Form(step_ns=MILLISECOND, write=_go_duration, is_wait=True),
    }
)
