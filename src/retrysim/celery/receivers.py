"""The receivers that a worker process connects to Celery's signals when it starts: they end with it.

Celery's fix-up for Django is one: it closes database connections around every task, in a worker and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
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


def receivers_are_inside(undo: UndoStack, receiving: Callable[[str], AbstractContextManager[None]]) -> None:
    """While receivers of a signal of Celery's run, also where the test sends it, be in ``receiving`` of its name."""
    names = {id(signal): name for name, signal in vars(signals).items() if isinstance(signal, Signal)}
    real = Signal._live_receivers  # `send` itself is kept elsewhere, as a method of each signal

    def _live_receivers(self: Any, sender: Any) -> list[Any]:
        name = names.get(id(self))
        receivers: list[Any] = real(self, sender)
        if name is None or not receivers:
            return receivers
        return [one if _is_ours(one) else _Receiver(one, partial(receiving, name)) for one in receivers]

    undo.set_attribute(Signal, "_live_receivers", _live_receivers)


class _Receiver:
    """Calls a receiver in a context; to a log, it is that receiver."""

    def __init__(self, receiver: Callable[..., Any], receiving: Callable[[], AbstractContextManager[None]]) -> None:
        self._receiver = receiver
        self._receiving = receiving

    def __call__(self, **named: Any) -> Any:
        with self._receiving():
            return self._receiver(**named)

    def __repr__(self) -> str:
        return repr(self._receiver)


def _is_ours(receiver: Any) -> bool:
    return str(getattr(receiver, "__module__", "")).startswith("retrysim.")


def _disconnect(signal: Any, keys: frozenset[Any]) -> None:
    with signal.lock:
        signal.receivers = [(key, receiver) for key, receiver in signal.receivers if key not in keys]
        signal.sender_receivers_cache.clear()


def _all_signals() -> list[Any]:
    return [value for value in vars(signals).values() if isinstance(value, Signal)]
