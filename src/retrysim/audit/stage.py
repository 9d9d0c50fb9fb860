"""Leaves of a user's app nothing but its retry policies: bodies are replaced, hooks and signal receivers are not heard.

Where only a policy counts, all tasks share one queue; where the broker counts, each keeps its own. Everything is put
back when the stack is unwound.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import partial, wraps
from types import MethodType
from typing import Any

from celery import signals
from celery.app import routes
from celery.app.task import Task
from celery.utils.dispatch import Signal

from retrysim.celery.hosting import fresh_amqp, in_each_spelling
from retrysim.undo import UndoStack

#: Methods that a project may override and that are no retry policy.
_HOOKS = ("before_start", "after_return", "on_success", "on_failure", "on_retry", "apply_async")
#: Options of a message that say where it goes.
_WHERE = ("queue", "exchange", "routing_key", "priority")
#: What a task says beside its policy: of no account while nothing else is looked at.
_ASIDE = {
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
    "task_ignore_result": True,
    "task_always_eager": False,
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    "worker_hijack_root_logger": False,
}
_ONE_QUEUE = {
    "task_routes": None,
    "task_queues": None,
    "task_default_queue": "audit",
    "task_create_missing_queues": True,
}
#: What is called in the place of a task's body, with the arguments of the task.
Body = Callable[..., Any]


def own_tasks(app: Any) -> dict[str, Any]:
    """The tasks that a project registered, by name; Celery's own are left out."""
    return {name: app.tasks[name] for name in sorted(app.tasks) if not name.startswith("celery.")}


def overridden(task: Any) -> tuple[str, ...]:
    """What a task's class overrides and the audit does not run."""
    return tuple(name for name in ("__call__", *_HOOKS) if _owner(task, name) is not Task)


class Places(Enum):
    """Where messages go while the audit plays."""

    ONE_QUEUE = auto()
    KEPT = auto()  # where the settings of the app and of the task say; routers that are functions are left out


def set_stage(undo: UndoStack, app: Any, places: Places = Places.ONE_QUEUE) -> None:
    """Quieten the app: settings, signal receivers and bootsteps."""
    for signal in vars(signals).values():
        if isinstance(signal, Signal):
            undo.set_attribute(signal, "receivers", [])
            signal.sender_receivers_cache.clear()
    undo.set_attribute(app, "steps", defaultdict(set))
    if places is Places.ONE_QUEUE:
        undo.set_attribute(routes.Router, "route", _to_the_one_queue(routes.Router.route))
    undo.set_attribute(app, "amqp", fresh_amqp(app.amqp))
    undo.set_attribute(app, "_backend_cache", None)
    undo.set_attribute(app, "_local", type(app._local)())
    where = _ONE_QUEUE if places is Places.ONE_QUEUE else _own_queues(app)
    layer = in_each_spelling(app, _CONFIGURATION | where)
    app.conf.maps.insert(0, layer)

    def take_off() -> None:
        app.conf.maps[:] = [one for one in app.conf.maps if one is not layer]

    undo.then(take_off)
    undo.callback(logging.disable, logging.root.manager.disable)
    logging.disable(logging.CRITICAL)  # Celery logs the traceback of every attempt


def _own_queues(app: Any) -> dict[str, Any]:
    """The routes that are data, which is where the app's own queues are; heartbeats would only take time."""
    given = app.conf.task_routes
    routers = given if isinstance(given, list | tuple) else [given]
    kept = [router for router in routers if isinstance(router, Mapping | list | tuple)]
    return {"task_routes": kept, "broker_heartbeat": 0}


def _to_the_one_queue(route: Callable[..., Any]) -> Callable[..., Any]:
    """Whatever queue a retry names, the audit's worker hears it: only what its policy says counts."""

    @wraps(route)
    def to_the_one_queue(router: Any, options: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        kept = {name: value for name, value in options.items() if name not in _WHERE}
        return route(router, kept, *args, **kwargs)

    return to_the_one_queue


def replace_body(undo: UndoStack, task: Any, body: Body, places: Places = Places.ONE_QUEUE) -> None:
    """Let ``body`` stand for the task's own; what Celery wrapped around it to retry stays."""
    undo.set_attribute(task, "_orig_run" if hasattr(task, "_orig_run") else "run", body)
    undo.then(partial(vars(task).pop, "override_max_retries", None))  # Celery leaves it there while it retries
    where = dict.fromkeys(_WHERE) if places is Places.ONE_QUEUE else {}
    for name, value in (where | _ASIDE).items():
        undo.set_attribute(task, name, value, may_be_new=True)
    for name in _HOOKS:
        undo.set_attribute(task, name, MethodType(vars(Task)[name], task))
    for cls in type(task).__mro__:
        if cls is Task or cls is object:
            break
        if "__call__" in vars(cls):
            undo.set_attribute(cls, "__call__", Task.__call__)


def _owner(task: Any, name: str) -> type | None:
    return next((cls for cls in type(task).__mro__ if name in vars(cls)), None)
