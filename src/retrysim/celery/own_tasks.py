"""Which function a task's name means: the app's own, and none that another test has left behind.

Celery shares the tasks of an app (``shared=True``, the default) with all apps that are made later: it keeps a set of
callbacks for that, which outlives the app, and which registers another app's ``work`` before one's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from celery import _state
from celery.local import maybe_evaluate

from retrysim.errors import AppError
from retrysim.undo import UndoStack


def forget_shared_tasks(undo: UndoStack) -> None:
    """When ``undo`` is unwound, let no later app have the tasks that functions have defined meanwhile.

    Those of modules stay: a module is imported once, and shares them once.
    """
    before = frozenset(_state._on_app_finalizers)

    def forget() -> None:
        since = _state._on_app_finalizers - before
        _state._on_app_finalizers.difference_update([one for one in since if _is_local(_function_of(one))])

    undo.callback(forget)


def register_own_tasks(app: Any) -> None:
    """Register what the app defines itself, before what others share; raises ``AppError``."""
    for proxy in list(app._pending):
        arguments = _arguments(proxy)
        task = maybe_evaluate(proxy)
        if arguments:
            _check_alone(task, arguments[0])


def _arguments(proxy: Any) -> tuple[Any, ...]:
    try:
        arguments: tuple[Any, ...] = object.__getattribute__(proxy, "_Proxy__args")
    except AttributeError:  # it is evaluated already
        return ()
    return arguments


def _check_alone(task: Any, function: Any) -> None:
    run = inspect.unwrap(getattr(task.run, "__func__", task.run))
    mine, first = _line_of(inspect.unwrap(function)), _line_of(run)
    if None not in (mine, first) and mine != first:
        raise AppError(
            f"two functions are the task {task.name!r}: {first} and {mine}. A worker runs the first of them, whichever "
            "is called. Give one a name of its own: @app.task(name=...)"
        )


def _line_of(function: Any) -> str | None:
    code = getattr(function, "__code__", None)
    return None if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def _function_of(callback: Callable[..., Any]) -> Any:
    """The decorated function, in the closure of what ``app.task`` or ``shared_task`` has connected."""
    return inspect.getclosurevars(callback).nonlocals.get("fun")


def _is_local(function: Any) -> bool:
    return "<locals>" in getattr(function, "__qualname__", "")
