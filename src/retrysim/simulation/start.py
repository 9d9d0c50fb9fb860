"""The first instant of a simulation, from a text or a ``datetime``."""

from __future__ import annotations

from datetime import datetime

from retrysim.clock import to_ns
from retrysim.errors import InputError


def start_instant_ns(instant: str | datetime) -> int:
    """Nanoseconds since the epoch; an instant without a zone is an ``InputError``, since it would be a guess."""
    moment = instant if isinstance(instant, datetime) else _parsed(instant)
    if moment.tzinfo is None:
        raise InputError(f"{instant!r} has no time zone: write {moment.isoformat()}Z for UTC, or an offset")
    return to_ns(moment)


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        example = "2015-08-03T12:00:00Z"
        raise InputError(f"{text!r} is no instant: expected ISO 8601 with a zone, such as {example}") from None
