"""Instants as headers and bodies spell them; always UTC and English, whatever the locale."""

from __future__ import annotations

from datetime import datetime

from retrysim.clock import to_datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_and_month(moment: datetime) -> tuple[str, str]:
    """``("Tue", "Dec")``."""
    return _DAYS[moment.weekday()], _MONTHS[moment.month - 1]


def http_date(at_ns: int) -> str:
    """An instant, cut to its second, as RFC 9110 wants it: ``Tue, 29 Dec 2020 08:33:16 GMT``."""
    moment = to_datetime(at_ns)
    day, month = day_and_month(moment)
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"
