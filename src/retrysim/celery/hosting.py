"""Borrows a Celery app for one simulation: its broker, results and caches are ours meanwhile, and given back after.

Nothing of the user's configuration is written to: one more layer is laid over it, and taken off at the end.
"""

from __future__ import annotations

import copy
import os
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, Protocol
from weakref import WeakSet

import celery.app.base
import celery.app.task
import celery.canvas
import kombu.common
from celery import Celery, _state, result
from celery.app.trace import reset_worker_optimizations
from celery.app.utils import Settings
from celery.backends.base import DisabledBackend
from greenlet import greenlet
from kombu import pools, transport

from retrysim.celery.forked import share_results
from retrysim.celery.own_tasks import register_own_tasks
from retrysim.celery.process_globals import ProcessGlobals
from retrysim.celery.result_conditions import ResultConditions
from retrysim.celery.results import ResultStore
from retrysim.kernel import Environment
from retrysim.undo import UndoStack

#: Set in the environment, these beat the app's configuration and would lead to a real server.
_BEATING_THE_CONFIG = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
)

#: What ``celery.app.amqp.AMQP`` computes from the configuration.
_CACHED_BY_AMQP = (
    *("queues", "default_queue", "router", "_rtable", "default_exchange", "utc"),
    *("send_task_message", "create_task_message", "_event_dispatcher"),
)

_prepared: WeakSet[Celery] = WeakSet()


class Broker(Protocol):
    """A simulated broker: a kombu transport class, by the name that stands before its URL's colon."""

    name: str
    #: what people call it
    kind: str
    transport: Any
    #: the kind of pool that its workers run tasks in
    pool: Any
    #: notified to let every consumer look around: a flag was set for it
    changed: Any
    #: what lies between its clients and it, and can be cut; ``None`` for what needs no connection
    network: Any
    #: how long its program takes from its end until it takes connections again
    boot_ns: int
    #: task id -> the queues that its message was put into, until the sending is noted
    routed: dict[str, list[str]]
    #: what storing a result meets
    conditions: ResultConditions
    #: what ``sim.notes`` says of its part of the run
    notes: list[str]

    def connect(self, undo: UndoStack) -> None:
        """Replace what it has to in kombu and Celery, until ``undo`` is unwound."""
        ...

    def settings(self, app: Any) -> dict[str, Any]:
        """What is laid over the configuration of an app that is to use it."""
        ...

    def results(self, app: Any) -> Callable[[], Any] | None:
        """What makes the app's result backend, one for each process, if this server stores the app's results."""
        ...

    def stop(self, *, lose_data: bool) -> None:
        """The server stops: what it does not keep is gone."""
        ...

    def waiting(self) -> dict[str, list[str]]:
        """The ids of the tasks that wait in each queue."""
        ...

    def unacked(self) -> dict[str, str]:
        """The tasks whose message was delivered to somebody who is gone (id -> a phrase)."""
        ...


def prepare(app: Any) -> None:
    """Import the app's task modules and evaluate its lazy tasks: before time is frozen, so that they see real dates."""
    app.loader.import_default_modules()
    register_own_tasks(app)
    app.finalize()
    with looked_at(app):
        for task in app.tasks.values():
            task.backend  # noqa: B018 - evaluates what is lazy
    _prepared.add(app)


@contextmanager
def looked_at(app: Any) -> Iterator[None]:
    """A block in which the app's own result backend may be made: it makes no tables, so it needs no database yet."""
    with UndoStack() as undo:
        overlay_config(undo, app, {"database_create_tables_at_setup": False})
        yield


def is_prepared(app: Any) -> bool:
    """Whether it is an app that an earlier simulation has prepared: nothing of it is left to be imported."""
    return isinstance(app, Celery) and app in _prepared


def borrow(
    undo: UndoStack,
    app: Any,
    broker: Broker,
    environment: Environment,
    processes: ProcessGlobals,
    *,
    always_eager: bool,
    make_results: Callable[[], Any] | None,
) -> None:
    """Let ``app`` publish to ``broker`` and store its results in the simulation, until ``undo`` is unwound.

    ``make_results`` makes the app's own result backend, one for each process; without it, something stands in for that.
    """
    for variable in _BEATING_THE_CONFIG:
        undo.remove_item(os.environ, variable)
    disabled = isinstance(app.backend, DisabledBackend)
    original = app.backend
    overlay_config(undo, app, {**broker.settings(app), "task_always_eager": always_eager})
    _fresh_caches(undo, app, processes)
    if make_results is not None:
        app._backend_cache = make_results()
        processes.add_name(app, "_backend_cache", make_results)
    elif not disabled:
        app._backend_cache = ResultStore(app, environment, broker.conditions, in_place_of=original)
        share_results(environment.faces, app._backend_cache)


def serve_transport(undo: UndoStack, broker: Broker, name: str) -> None:
    """Let URLs that begin with ``name`` lead to this broker, until ``undo`` is unwound."""
    undo.set_item(transport.TRANSPORT_ALIASES, name, lambda: broker.transport)
    undo.set_item(transport._transport_cache, name, broker.transport)


def overlay_config(undo: UndoStack, app: Any, settings: dict[str, Any]) -> None:
    """Lay a map over the app's configuration; what a test sets in ``app.conf`` meanwhile is the test's own affair."""
    conf = app.conf.finalize()
    layer = _Layer(in_each_spelling(app, settings))
    conf.maps.insert(0, layer)
    # A worker that starts adds its task modules to what is included.
    undo.set_item(conf.changes, "include", conf.changes.get("include", conf.include))

    def take_off() -> None:
        conf.maps[:] = [one for one in conf.maps if one is not layer]

    undo.then(take_off)


class _Layer(dict[str, Any]):
    """What is laid over an app's configuration."""


def list_settings_of_the_apps_own(undo: UndoStack) -> None:
    """Let ``inspect conf`` and ``celery report`` list what the app itself has set, until ``undo`` is unwound."""
    real = Settings.table

    @wraps(real)
    def table(conf: Any, *args: Any, **options: Any) -> Any:
        conf.finalize()
        before = conf.maps
        vars(conf)["maps"] = [one for one in before if not isinstance(one, _Layer)]
        try:
            return real(conf, *args, **options)
        finally:
            vars(conf)["maps"] = before

    undo.set_attribute(Settings, "table", table)


def in_each_spelling(app: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings under their names in the app's namespace, too (``CELERY_BROKER_URL`` of a Django project).

    Celery 5.5 looks for that name in every layer before it looks for the plain one in any.
    """
    return settings | {name: value for key, value in settings.items() for name in app.conf._to_keys(key)}


def _fresh_caches(undo: UndoStack, app: Any, processes: ProcessGlobals) -> None:
    """What the app computed from its real broker and backend is put aside; what it computes from ours, forgotten.

    Queues and connections are each simulated process's own.
    """
    for name, value in (("_pool", None), ("_backend_cache", None), ("_local", threading.local())):
        undo.set_attribute(app, name, value)
    original = app.amqp
    undo.set_attribute(app, "amqp", fresh_amqp(original))
    processes.add_name(app, "amqp", lambda: fresh_amqp(original))
    processes.add_name(app, "_pool", lambda: None)
    undo.set_attribute(app.clock, "mutex", app.clock.mutex)  # an event loop replaces it for good
    for name in ("control", "events"):
        undo.set_attribute(app, name, None)
        del app.__dict__[name]
    forget_new_pools(undo)
    undo.callback(reset_worker_optimizations, app)
    undo.callback(_forget_requests_of_the_dead, app)
    fresh_tasks(undo, app)


def fresh_tasks(undo: UndoStack, app: Any) -> None:
    """Forget what the app's tasks have computed from its configuration; again when ``undo`` is unwound."""
    for task in app.tasks.values():
        undo.set_attribute(task, "__trace__", None)
        undo.set_attribute(task, "_exec_options", None)


def fresh_amqp(original: Any) -> Any:
    """A copy that has computed nothing yet."""
    amqp = copy.copy(original)
    for cached in _CACHED_BY_AMQP:
        amqp.__dict__.pop(cached, None)
    amqp._producer_pool = None
    return amqp


def forget_new_pools(undo: UndoStack) -> None:
    """When ``undo`` is unwound, take the pools of our brokers out of kombu's global groups, which are keyed by URLs.

    Their size is kombu's global, too, and an app sets it (``broker_pool_limit``).
    """
    undo.callback(_limit_pools, pools.get_limit())
    for group in (pools.connections, pools.producers):
        undo.callback(_forget_new, group, frozenset(group))


def _limit_pools(limit: int | None) -> None:
    with suppress(RuntimeError):  # a pool of the test's own is in use, and keeps its size
        pools.set_limit(limit)


def _forget_new(group: dict[Any, Any], before: frozenset[Any]) -> None:
    for key in [key for key in group if key not in before]:
        dict.pop(group, key)


def _forget_requests_of_the_dead(app: Any) -> None:
    """Celery keeps by the greenlet which task runs in it; one that was killed never took its own off the stack."""
    stacks = [_state._task_stack, *(task.request_stack for task in app.tasks.values())]
    for storage in (getattr(getattr(stack, "_local", None), "__storage__", {}) for stack in stacks):
        for ident in [ident for ident in storage if isinstance(ident, greenlet) and ident.dead]:
            del storage[ident]


def draw_task_ids(undo: UndoStack, stream: random.Random) -> None:
    """Let Celery draw task ids from a stream of their own: what else draws a UUID does not change them."""

    def task_id() -> str:
        return str(uuid.UUID(int=stream.getrandbits(128), version=4))

    for module in (celery.app.base, celery.app.task, celery.canvas):
        undo.set_attribute(module, "uuid", task_id)
    undo.set_attribute(kombu.common, "_node_id", None)  # drawn once in a process, and kept


def joins_block_in_workers_only(undo: UndoStack, environment: Environment) -> None:
    """In production the test and the worker are two processes: only inside a task does ``get()`` block the pool."""
    in_worker, outside = _state.task_join_will_block, environment.outside_of_all
    undo.set_attribute(result, "task_join_will_block", lambda: in_worker() and not outside())


def become_current(undo: UndoStack, app: Any) -> None:
    """Let it be the app of shared tasks, until ``undo`` is unwound."""
    undo.set_attribute(_state._tls, "current_app", app)
    undo.set_attribute(_state, "default_app", app)
