"""Which kinds of broker are simulated, and which of them stands in for an app's own."""

from __future__ import annotations

from typing import Any

from retrysim.celery.hosting import Broker
from retrysim.celery.memory import MemoryBroker
from retrysim.celery.result_weather import ResultWeather
from retrysim.errors import AppError, Unsupported
from retrysim.faults import Rules
from retrysim.kernel import Environment

#: kombu's name of a transport → the kind that stands in for it. RabbitMQ's queues are played in memory.
_KINDS = {
    "memory": "memory",
    "redis": "redis",
    "rediss": "redis",
    "sentinel": "redis",
    "amqp": "memory",
    "amqps": "memory",
    "pyamqp": "memory",
    "librabbitmq": "memory",
}


def known_kind(name: str) -> str:
    """The name itself, if such a broker is simulated; else ``Unsupported``."""
    if name not in ("memory", "redis"):
        raise Unsupported(f"broker={name!r}: this version simulates two kinds of broker; write 'memory' or 'redis'")
    return name


def kind_of_broker(app: Any) -> str:
    """What stands in for the broker that an app's own URL names. Raises ``AppError`` where nothing does."""
    transport = app.connection_for_write().transport_cls
    if transport not in _KINDS:
        raise AppError(
            f"the app {app.main!r} has a broker of the kind {transport!r}, which is not simulated (redis and memory "
            "are, and RabbitMQ is played in memory). Say what is to stand in for it: Simulation(broker='memory'), or "
            "broker: memory in a scenario"
        )
    return _KINDS[transport]


def make_broker(kind: str, environment: Environment, rules: Rules, weather: ResultWeather) -> Broker:
    """The simulated broker of a known kind."""
    if kind == "memory":
        return MemoryBroker(environment, rules, weather)
    from retrysim.celery.redis import RedisBroker  # only who wants it pays for importing redis-py and fakeredis

    return RedisBroker(environment, rules, weather)
