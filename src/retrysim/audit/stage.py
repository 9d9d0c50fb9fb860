"""Leaves of a user's app nothing but its retry policies: bodies are replaced, hooks and signal receivers are not heard.

Everything is put back when the stack is unwound.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

from celery import signals
from celery.app.task import Task
from celery.utils.dispatch import Signal

from retrysim.celery.hosting import in_each_spelling
from retrysim.undo import UndoStack

#: Methods that a project may override and that are no retry policy.
_HOOKS = ("before_start", "after_return", "on_success", "on_failure", "on_retry", "apply_async")
#: Where a message goes, and how fast tasks may start: of no account while nothing but the policy is looked at.
_PLACES = {
    "queue": None,
    "exchange": None,
    "routing_key": None,
    "priority": None,
    "rate_limit": None,
    "typing": False,  # the bodies' arguments are not known
    "ignore_result": True,
    "store_errors_even_if_ignored": False,
    "send_events": False,
    "Request": Task.Request,
    "Strategy": Task.Strategy,
    "_exec_options": None,  # Celery remembers there what it has read of these
}
_CONFIGURATION = {
    "result_backend": "disabled",
    "task_routes": None,
    "task_queues": None,
    "task_default_queue": "audit",
    "task_create_missing_queues": True,
    "task_ignore_result": True,
    "task_always_eager": False,
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    "worker_hijack_root_logger": False,
}
#: What is called in the place of a task's body, with the arguments of the task.
Body = Callable[..., Any]


def own_tasks(app: Any) -> dict[str, Any]:
    """The tasks that a project registered, by name; Celery's own are left out."""
    return {name: app.tasks[name] for name in sorted(app.tasks) if not name.startswith("celery.")}


def overridden(task: Any) -> tuple[str, ...]:
    """What a task's class overrides and the audit does not run."""
    return tuple(name for name in ("__call__", *_HOOKS) if _owner(task, name) is not Task)


def set_stage(undo: UndoStack, app: Any) -> None:
    """Quieten the app: settings, signal receivers and bootsteps."""
    for signal in vars(signals).values():
        if isinstance(signal, Signal):
            undo.set_attribute(signal, "receivers", [])
            signal.sender_receivers_cache.clear()
    undo.set_attribute(app, "steps", defaultdict(set))
    undo.set_attribute(app, "_backend_cache", None)
    undo.set_attribute(app, "_local", type(app._local)())
    layer = in_each_spelling(app, _CONFIGURATION)
    app.conf.maps.insert(0, layer)

    def take_off() -> None:
        app.conf.maps[:] = [one for one in app.conf.maps if one is not layer]

    undo.then(take_off)
    undo.callback(logging.disable, logging.root.manager.disable)
    logging.disable(logging.CRITICAL)  # Celery logs the traceback of every attempt


def replace_body(undo: UndoStack, task: Any, body: Body) -> None:
    """Let ``body`` stand for the task's own; what Celery wrapped around it to retry stays."""
    undo.set_attribute(task, "_orig_run" if hasattr(task, "_orig_run") else "run", body)
    undo.then(partial(vars(task).pop, "override_max_retries", None))  # Celery leaves it there while it retries
    for name, value in _PLACES.items():
        undo.set_attribute(task, name, value)
    for name in _HOOKS:
        undo.set_attribute(task, name, MethodType(vars(Task)[name], task))
    for cls in type(task).__mro__:
        if cls is Task or cls is object:
            break
        if "__call__" in vars(cls):
            undo.set_attribute(cls, "__call__", Task.__call__)


def _owner(task: Any, name: str) -> type | None:
    return next((cls for cls in type(task).__mro__ if name in vars(cls)), None)
