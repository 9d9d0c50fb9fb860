"""Wakes a consumer without an event loop for what is put off to its next round, which a real one looks at each 2 s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from retrysim.undo import UndoStack


def wake_for_pending_operations(undo: UndoStack, wake: Callable[[], None]) -> None:
    """Until ``undo`` is unwound."""
    real = Consumer.call_soon

    def call_soon(self: Any, *args: Any, **kwargs: Any) -> Any:
        put_off = real(self, *args, **kwargs)
        wake()
        return put_off

    undo.set_attribute(Consumer, "call_soon", call_soon)
