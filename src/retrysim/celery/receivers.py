"""The receivers that a worker process connects to Celery's signals when it starts: they end with it.

Celery's fix-up for Django is one: it closes database connections around every task, in a worker and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals
from celery.utils.dispatch import Signal

from retrysim.undo import UndoStack


@contextmanager
def receivers_end_with(undo: UndoStack) -> Iterator[None]:
    """What is connected inside the block is disconnected when ``undo`` is unwound."""
    before = {signal: {key for key, _ in signal.receivers} for signal in _all_signals()}
    try:
        yield
    finally:
        for signal, known in before.items():
            new = [key for key, _ in signal.receivers if key not in known]
            if new:
                undo.callback(_disconnect, signal, frozenset(new))


def _disconnect(signal: Any, keys: frozenset[Any]) -> None:
    with signal.lock:
        signal.receivers = [(key, receiver) for key, receiver in signal.receivers if key not in keys]
        signal.sender_receivers_cache.clear()


def _all_signals() -> list[Any]:
    return [value for value in vars(signals).values() if isinstance(value, Signal)]
