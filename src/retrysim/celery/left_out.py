"""Says which of an app's settings have no effect in a simulation, and what stands in for what it names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from billiard.common import REMAP_SIGTERM
from celery.app.defaults import NAMESPACES, flatten
from celery.backends.base import DisabledBackend

from retrysim.celery import conf_layer
from retrysim.celery.brokers import KINDS

#: Settings of prefork's children, which only isolated ones obey.
_OF_CHILDREN = ("worker_max_tasks_per_child", "worker_max_memory_per_child")
#: Settings of what is not simulated, whatever the broker.
_OF_PROCESSES = ("worker_proc_alive_timeout", "worker_lost_wait", "worker_pool_start_method")
_OF_CONNECTIONS = ("broker_use_ssl", "broker_login_method", "redis_backend_use_ssl")
_KEEP_IN_REDIS = "keep them in a simulated one with Simulation(redis=True), in a scenario redis: true"
#: Arguments of a queue that only RabbitMQ knows.
_RABBITMQ_ONLY = "x-"


def left_out(app: Any, broker: Any, *, always_eager: bool, keeps_results: bool) -> list[str]:
    """One sentence each; asked before the app is borrowed, while its configuration is its own."""
    results = () if keeps_results else _results(app)
    return _of(app, (*_broker(app, broker), *results, *_settings(app, always_eager), *_environment()))


def left_out_by(app: Any, worker: Any) -> list[str]:
    """What a worker of the app leaves out of its settings."""
    if worker.isolated or worker.pool.name != "prefork":
        return []
    return _of(app, (f"{name} has no effect without isolated=True" for name in _OF_CHILDREN if _is_set(app, name)))


def _of(app: Any, texts: Iterable[str]) -> list[str]:
    return [f"{app.main or 'the app'}: {text}" for text in texts]


def what_has_a_meaning(options: dict[str, Any], broker: Any) -> dict[str, Any]:
    """Those transport options of another kind of broker that this one knows, too."""
    known = getattr(broker.transport.Channel, "from_transport_options", ())
    return {name: value for name, value in options.items() if name in known}


def _broker(app: Any, broker: Any) -> Iterator[str]:
    transport = app.connection_for_write().transport_cls
    is_given = conf_layer.is_given(app, "broker_transport_options")  # for the broker that is simulated
    options = {} if is_given else dict(app.conf.broker_transport_options or {})
    if KINDS.get(transport) != broker.kind:
        yield f"its broker is of the kind {transport!r}; {broker.kind} stands in for it"
        kept = what_has_a_meaning(options, broker) if broker.kind == "redis" else {}
        if kept:
            yield f"{_settings_named('broker_transport_options', kept)} {_have(kept)} the same effect on {broker.kind}"
        options = {name: value for name, value in options.items() if name not in kept}
        if options:
            yield f"{_settings_named('broker_transport_options', options)} {_have(options)} no effect on {broker.kind}"
    arguments = sorted({name for queue in _queues(app) for name in queue.queue_arguments or () if _is_rabbits(name)})
    if arguments and broker.kind != "rabbitmq":
        yield f"{_settings_named('queue_arguments', arguments)} {_have(arguments)} no effect on {broker.kind}"


def _results(app: Any) -> Iterator[str]:
    name = str(app.conf.result_backend).partition(":")[0]
    if not isinstance(app.backend, DisabledBackend) and name != "cache+memory":
        remedy = f": {_KEEP_IN_REDIS}" if name in ("redis", "rediss", "sentinel") else ""
        yield f"its results are kept in the memory of the simulation, and not in {name!r}{remedy}"


def _settings(app: Any, always_eager: bool) -> Iterator[str]:
    if app.conf.task_always_eager and not always_eager:
        yield "task_always_eager = True is switched off, as in production"
    for name in (*_OF_PROCESSES, *_OF_CONNECTIONS):
        if _is_set(app, name):
            yield f"{name} has no effect"


def _environment() -> Iterator[str]:
    given = os.environ.get("REMAP_SIGTERM")
    if given and given != REMAP_SIGTERM:  # which billiard has read when it was imported
        yield "REMAP_SIGTERM has no effect, because it was set after Celery was imported"


def _is_set(app: Any, name: str) -> bool:
    return app.conf.get(name) not in (None, False, _DEFAULTS.get(name))


def _queues(app: Any) -> list[Any]:
    queues = app.conf.task_queues
    listed = queues.values() if isinstance(queues, dict) else queues if isinstance(queues, list | tuple) else ()
    return [queue for queue in listed if hasattr(queue, "name")]


def _is_rabbits(name: str) -> bool:
    return name.startswith(_RABBITMQ_ONLY)


def _settings_named(setting: str, names: Iterable[str]) -> str:
    return f"{setting} ({', '.join(sorted(names))})"


def _have(names: Any) -> str:
    return "has" if len(names) == 1 else "have"


_DEFAULTS = {name: option.default for name, option in flatten(NAMESPACES)}
