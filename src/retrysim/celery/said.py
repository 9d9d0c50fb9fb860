"""Reads what a message says of its task: its sender may have put anything there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery.utils.saferepr import saferepr

from retrysim.clock import to_ns

_LONGEST_ID = 400


def text(said: Any) -> str:
    """An id or a name; of what is none, how Python writes it."""
    return said if isinstance(said, str) else saferepr(said, _LONGEST_ID)


def count(said: Any) -> int:
    return said if isinstance(said, int) else 0


def instant_ns(said: Any) -> int | None:
    """``None`` also of what is no ISO 8601: a worker discards such a message."""
    try:
        return None if said is None else to_ns(aware(datetime.fromisoformat(said)))
    except (TypeError, ValueError, OverflowError):
        return None


def aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
