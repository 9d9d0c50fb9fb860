"""Lets a task expire at the instant that its ``expires`` names, as for a real worker, which always looks a bit later.

``expires=60, countdown=60`` is never run: its timer fires some milliseconds after the instant. In virtual time it fires
exactly then, where Celery asks whether the instant is past (``celery.worker.request.Request.maybe_expire``).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from celery.worker.request import Request

from retrysim.undo import UndoStack

#: The grid of virtual time.
_LESS = timedelta(microseconds=1)


def expire_at_the_instant(undo: UndoStack) -> None:
    """Until ``undo`` is unwound."""
    real = Request.maybe_expire

    def maybe_expire(self: Any) -> Any:
        expires = self.expires
        with suppress(OverflowError):  # of the year 1
            self.expires = expires and expires - _LESS
        try:
            return real(self)
        finally:
            self.expires = expires

    undo.set_attribute(Request, "maybe_expire", maybe_expire)
