"""Durations as people write them: ``"15 minutes"``, ``900``, ``timedelta(minutes=15)``.

Inside, a duration is an ``int`` of nanoseconds. On paper it is the shortest exact text: ``15m``, ``2.5s``, ``1h30m``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from retrysim.errors import DurationError

#: What a duration may be given as: a text, seconds, or a timedelta.
Duration = str | int | float | timedelta

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UNITS = {
    "us": MICROSECOND, "µs": MICROSECOND, "microsecond": MICROSECOND, "microseconds": MICROSECOND,
    "ms": MILLISECOND, "millisecond": MILLISECOND, "milliseconds": MILLISECOND,
    "s": SECOND, "sec": SECOND, "secs": SECOND, "second": SECOND, "seconds": SECOND,
    "m": MINUTE, "min": MINUTE, "mins": MINUTE, "minute": MINUTE, "minutes": MINUTE,
    "h": HOUR, "hr": HOUR, "hour": HOUR, "hours": HOUR,
    "d": DAY, "day": DAY, "days": DAY,
    "week": 7 * DAY, "weeks": 7 * DAY,
}  # fmt: skip
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]+)")
_WHOLE = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?\s*[a-zµ]+\s*)+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
#: Longer than the calendar, and than any text that means a duration.
_LONGEST_NS, _LONGEST_TEXT = 10_000 * 366 * DAY, 100
_EXPECTED = 'expected seconds, a timedelta, or a text such as "15 minutes", "2.5s", "1h30m"'


def parse_duration(value: Duration) -> int:
    """Nanoseconds of a duration given as text, as seconds or as a ``timedelta``.

    Raises ``DurationError`` for what is none, and for a negative one.
    """
    nanoseconds = _nanoseconds(value)
    if nanoseconds < 0:
        raise DurationError(f"{value!r} is negative: a duration is zero or more")
    if nanoseconds > _LONGEST_NS:
        raise DurationError(f"{_short(value)} is too long: a duration is at most 10000 years")
    return nanoseconds


def parse_skew(value: Duration) -> int:
    """Nanoseconds by which a clock is ahead: a duration that is negative for a clock that is behind, ``"-3s"``."""
    if isinstance(value, str) and value.strip().startswith("-"):
        return -parse_duration(value.strip()[1:])
    if isinstance(value, timedelta) and value < timedelta():
        return -parse_duration(-value)
    if isinstance(value, int | float) and value < 0:
        return -parse_duration(-value)
    return parse_duration(value)


def _short(value: Duration) -> str:
    """A value as a message shows it, not at length; an integer of a million digits takes minutes to write out."""
    if isinstance(value, int) and abs(value) > 10**40:
        return "the number"
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def _nanoseconds(value: Duration) -> int:
    if isinstance(value, timedelta):
        return (value.days * 86_400 + value.seconds) * SECOND + value.microseconds * MICROSECOND
    if isinstance(value, bool):
        raise DurationError(f"{value!r} is not a valid duration: {_EXPECTED}")
    if isinstance(value, int):
        return value * SECOND
    if isinstance(value, float):
        return _float_nanoseconds(value)
    if isinstance(value, str):
        return _text_nanoseconds(value)
    raise DurationError(f"{value!r} is not a valid duration: {_EXPECTED}")


def _float_nanoseconds(value: float) -> int:
    if value != value or value in (float("inf"), float("-inf")):
        raise DurationError(f"{value!r} is not a valid duration: {_EXPECTED}")
    return round(Decimal(repr(value)) * SECOND)


def _text_nanoseconds(text: str) -> int:
    stripped = text.strip().lower()
    if len(stripped) > _LONGEST_TEXT:
        raise DurationError(f"{_short(text)} is not a valid duration: {_EXPECTED}")
    if _NUMBER.fullmatch(stripped):
        return round(Decimal(stripped) * SECOND)
    if not _WHOLE.fullmatch(stripped):
        raise DurationError(f"{text!r} is not a valid duration: {_EXPECTED}")
    total = Decimal(0)
    for number, unit in _PART.findall(stripped):
        if unit not in _UNITS:
            raise DurationError(f"{text!r} is not a valid duration: unknown unit {unit!r}; {_EXPECTED}")
        total += Decimal(number) * _UNITS[unit]
    return round(total)


def format_duration(nanoseconds: int) -> str:
    """The shortest exact text of a duration, without spaces: ``15m``, ``2.5s``, ``14m59.5s``, ``0s``."""
    if nanoseconds < 0:
        return "-" + format_duration(-nanoseconds)
    if 0 < nanoseconds < SECOND:
        return _small(nanoseconds)
    days, rest = divmod(nanoseconds, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    text = "".join(f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if n)
    return text + _decimal(rest, SECOND, "s") if rest or not text else text


def format_skew(nanoseconds: int) -> str:
    """A skew in words: ``30s ahead``, ``30s behind``, ``right``."""
    if not nanoseconds:
        return "right"
    return f"{format_duration(abs(nanoseconds))} {'ahead' if nanoseconds > 0 else 'behind'}"


def _small(nanoseconds: int) -> str:
    if nanoseconds >= MILLISECOND:
        return _decimal(nanoseconds, MILLISECOND, "ms")
    return _decimal(nanoseconds, MICROSECOND, "us")


def _decimal(nanoseconds: int, unit: int, name: str) -> str:
    whole, rest = divmod(nanoseconds, unit)
    digits = str(unit)[1:]
    fraction = f"{rest:0{len(digits)}d}".rstrip("0")
    return f"{whole}.{fraction}{name}" if fraction else f"{whole}{name}"


def to_timedelta(nanoseconds: int) -> timedelta:
    """A ``timedelta``, which knows microseconds: what is finer is cut off."""
    return timedelta(microseconds=nanoseconds // MICROSECOND)
