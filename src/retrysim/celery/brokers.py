"""Which kinds of broker are simulated, and which of them stands in for an app's own.

A kind is ``memory``, ``redis``, ``rabbitmq``, ``rabbitmq:4.0`` or ``rabbitmq:4.0?consumer_timeout=2h``, or a
``RabbitMQ`` with its options.
"""

from __future__ import annotations

from typing import Any

from retrysim.celery.hosting import Broker
from retrysim.celery.memory import MemoryBroker
from retrysim.celery.result_conditions import ResultConditions
from retrysim.errors import AppError, Unsupported
from retrysim.faults import Rules
from retrysim.network import Network
from retrysim.rabbitmq import NEWEST, VERSIONS, RabbitMQ

#: What is simulated, by its name or by its name with options.
BrokerKind = str | RabbitMQ

#: kombu's name of a transport → the kind that stands in for it.
KINDS = {
    "memory": "memory",
    "redis": "redis",
    "rediss": "redis",
    "sentinel": "redis",
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
    "pyamqp": "rabbitmq",
    "librabbitmq": "rabbitmq",
}


def known_kind(kind: BrokerKind) -> BrokerKind:
    """The kind itself, if such a broker is simulated. Raises ``Unsupported``, or ``InputError`` for its version."""
    if isinstance(kind, RabbitMQ) or kind in ("memory", "redis", "rabbitmq"):
        return kind
    if kind.startswith("rabbitmq:"):
        return RabbitMQ.parse(kind)
    raise Unsupported(
        f"broker={kind!r}: this version simulates three kinds of broker; write 'memory', 'redis' or 'rabbitmq' "
        f"(or 'rabbitmq:{NEWEST}', a version: {', '.join(VERSIONS)})"
    )


def kind_of_broker(app: Any) -> str:
    """What stands in for the broker that an app's own URL names. Raises ``AppError`` where nothing does."""
    transport = app.connection_for_write().transport_cls
    if transport not in KINDS:
        raise AppError(
            f"the app {app.main!r} has a broker of the kind {transport!r}, which is not simulated (redis, rabbitmq "
            "and memory are). Say what is to stand in for it: Simulation(broker='memory'), or "
            "broker: memory in a scenario"
        )
    return KINDS[transport]


def make_broker(kind: BrokerKind, network: Network, rules: Rules, conditions: ResultConditions) -> Broker:
    """The simulated broker of a known kind."""
    if kind == "memory":
        return MemoryBroker(network.environment, rules, conditions)
    if kind == "redis":
        from retrysim.celery.redis import RedisBroker  # only who wants it pays for importing redis-py and fakeredis

        return RedisBroker(network, rules, conditions)
    from retrysim.celery.rabbitmq import RabbitMQBroker

    return RabbitMQBroker(network, rules, conditions, kind if isinstance(kind, RabbitMQ) else RabbitMQ())


def results_in_redis(app: Any) -> bool:
    """Whether an app's own result backend is Celery's for Redis. Whoever does not use that does not import it."""
    return any(kind.__module__ == "celery.backends.redis" for kind in type(app.backend).__mro__)
