"""Notices when a Celery app first speaks: when it publishes, asks for a result, sends a command or listens to events.

All of that goes through a few attributes of ``Celery``, so an app can be borrowed before anything leaves it, whoever
uses it: the test, a task, a program, or a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery, _state

from retrysim.undo import UndoStack

#: ``amqp`` makes all connections; the others may be left from before.
_BY_WHICH_IT_SPEAKS = ("amqp", "pool", "backend", "control", "events")


def borrow_who_speaks(undo: UndoStack, is_borrowed: Callable[[Any], bool], borrow: Callable[[Any], None]) -> None:
    """Call ``borrow`` with an app that is about to speak, until ``undo`` is unwound."""
    for name in _BY_WHICH_IT_SPEAKS:
        undo.set_attribute(Celery, name, _Noticing(vars(Celery)[name], name, is_borrowed, borrow))
    # Where there is no app, Celery makes one for tasks that are shared, and keeps it.
    undo.set_attribute(_state, "default_app", _state.default_app)


class _Noticing:
    """Stands in for a property of ``Celery``."""

    def __init__(self, real: Any, name: str, is_borrowed: Callable[[Any], bool], borrow: Callable[[Any], None]) -> None:
        self._real = real
        self._name = name
        self._is_borrowed = is_borrowed
        self._borrow = borrow

    def __get__(self, app: Any, owner: Any = None) -> Any:
        if app is None:
            return self._real.__get__(None, owner)
        if not self._is_borrowed(app):
            self._borrow(app)
        known = app.__dict__.get(self._name)
        return self._real.__get__(app, owner) if known is None else known

    def __set__(self, app: Any, value: Any) -> None:
        self._real.__set__(app, value)

    def __delete__(self, app: Any) -> None:
        self._real.__delete__(app)
