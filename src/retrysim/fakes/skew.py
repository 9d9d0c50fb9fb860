"""Clock skew as people write it: a duration that may be negative, ``"-3s"``."""

from __future__ import annotations

from datetime import timedelta

from retrysim.durations import Duration, parse_duration


def parse_skew(value: Duration) -> int:
    """Nanoseconds by which a server's clock is ahead of the caller's; negative when it is behind."""
    if isinstance(value, str) and value.strip().startswith("-"):
        return -parse_duration(value.strip()[1:])
    if isinstance(value, timedelta) and value < timedelta():
        return -parse_duration(-value)
    if isinstance(value, int | float) and value < 0:
        return -parse_duration(-value)
    return parse_duration(value)
