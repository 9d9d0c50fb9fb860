"""Notices the first use of redis-py or kombu in a session, and imports neither.

Simulated servers answer from then on, whoever asks: a test without a worker, a fixture, or a module at import.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from types import ModuleType
from typing import Any

from retrysim.pytest_plugin.after_import import after_import
from retrysim.undo import UndoStack

#: Module, and of its classes the methods that come before anything is connected to.
_PLACES = {
    "redis.connection": (
        "ConnectionPool.get_connection",
        "ConnectionPool.make_connection",
        "BlockingConnectionPool.get_connection",
        "BlockingConnectionPool.make_connection",
        "AbstractConnection.connect",
    ),
    "redis.asyncio.connection": ("AbstractConnection.connect",),
    "kombu.connection": ("Connection.__init__",),
}


def before_first_use(undo: UndoStack, prepare: Callable[[], None]) -> None:
    """Call ``prepare`` before the first of these methods runs, which may replace them, until ``undo`` is unwound."""
    for module, methods in _PLACES.items():
        after_import(undo, module, partial(_watch, undo, methods, prepare))


def _watch(undo: UndoStack, methods: tuple[str, ...], prepare: Callable[[], None], module: ModuleType) -> None:
    for method in methods:
        kind, _, name = method.partition(".")
        owner = getattr(module, kind)
        undo.set_attribute(owner, name, _preparing(owner, name, prepare))


def _preparing(owner: Any, name: str, prepare: Callable[[], None]) -> Callable[..., Any]:
    real, is_ready = getattr(owner, name), False

    @wraps(real)
    def method(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal is_ready
        if is_ready:
            return real(self, *args, **options)
        is_ready = True
        prepare()
        return getattr(self, name)(*args, **options)  # whatever it is now

    return method
