"""What the broker of an app does to a message that waits long for its ETA."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from retrysim.durations import HOUR, MINUTE, SECOND

_REDIS = frozenset({"redis", "rediss", "redis+socket", "sentinel", "sentinel+tls", "valkey"})
#: kombu/transport/redis.py, Channel.visibility_timeout; kombu/transport/SQS.py, Channel.default_visibility_timeout
_VISIBILITY_NS = {"redis": HOUR, "sqs": 30 * MINUTE}
#: RabbitMQ's consumer_timeout since 3.8.17: https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout
_CONSUMER_TIMEOUT_NS = 30 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """``kind`` is ``redis``, ``sqs``, ``amqp`` or what the URL says; a timeout that the broker has not is ``None``."""

    kind: str
    visibility_ns: int | None
    consumer_timeout_ns: int | None
    is_default: bool


def broker_facts(app: Any) -> BrokerFacts:
    """From the app's own URL and ``broker_transport_options``; the environment beats both, as in Celery."""
    url = os.environ.get("CELERY_BROKER_URL") or app.conf.broker_read_url or app.conf.broker_url or "amqp://"
    scheme = (url[0] if isinstance(url, list | tuple) else str(url)).partition(":")[0].lower()
    kind = "redis" if scheme in _REDIS else "amqp" if scheme in {"amqp", "amqps", "pyamqp"} else scheme
    told = (app.conf.broker_transport_options or {}).get("visibility_timeout")
    default = _VISIBILITY_NS.get(kind)
    return BrokerFacts(
        kind=kind,
        visibility_ns=default if told is None or default is None else int(float(told) * SECOND),
        consumer_timeout_ns=_CONSUMER_TIMEOUT_NS if kind == "amqp" else None,
        is_default=told is None,
    )
