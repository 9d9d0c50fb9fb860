"""How a reader sees times: the hour of the day, the time since the start, a duration short enough for a table."""

from __future__ import annotations

from retrysim.clock import time_of_day, to_datetime
from retrysim.durations import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, format_duration
from retrysim.trace import Trace


def instant_of(trace: Trace, ns: int) -> str:
    """The time of day; on another day than the one on which the run began, with the date: ``Aug 4 00:15:00``."""
    day, first = to_datetime(ns).date(), to_datetime(trace.start_ns).date()
    return time_of_day(ns) if day == first else f"{day:%b} {day.day} {time_of_day(ns)}"


def second_of(trace: Trace, ns: int) -> str:
    """The instant without its fraction of a second."""
    return instant_of(trace, ns - ns % SECOND)


def since(trace: Trace, ns: int) -> str:
    """The exact time since the start of the run: ``+15m``."""
    return f"+{format_duration(ns - trace.start_ns)}" if ns >= trace.start_ns else format_duration(ns - trace.start_ns)


def about(ns: int) -> str:
    """A duration in at most two units or three digits: ``15m``, ``2h05m``, ``1.28s``, ``340ms``."""
    for low, unit, name in ((DAY, HOUR, "h"), (HOUR, MINUTE, "m"), (MINUTE, SECOND, "s")):
        whole, rest = divmod(_rounded(ns, unit), low // unit)
        if whole:
            return f"{whole}{_NEXT[name]}" + (f"{rest:02d}{name}" if rest else "")
    for unit, name in ((SECOND, "s"), (MILLISECOND, "ms"), (MICROSECOND, "µs")):
        if ns >= unit:
            return f"{ns / unit:.3g}{name}"
    return "0s"


_NEXT = {"h": "d", "m": "h", "s": "m"}


def _rounded(ns: int, unit: int) -> int:
    return (ns + unit // 2) // unit


def last_part(name: str) -> str:
    """The task's own name without its module: ``proj.tasks.fetch`` is ``fetch``."""
    return name.rpartition(".")[2]


def count_of(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``; thousands are set apart: ``5 000 calls``."""
    return f"{grouped(number)} {noun}{'' if number == 1 else 's'}"


def grouped(number: int) -> str:
    """A number with its thousands set apart by a narrow space."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
