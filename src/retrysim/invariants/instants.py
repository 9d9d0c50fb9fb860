"""How a person reads an instant of a run."""

from __future__ import annotations

from retrysim.clock import to_datetime


def time_of_day(ns: int) -> str:
    """``12:15:00``, with the fraction where there is one."""
    text = to_datetime(ns).strftime("%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") if "." in text else text
