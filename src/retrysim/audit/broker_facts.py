"""What the broker of an app does to a message that waits long for its ETA."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from retrysim.durations import HOUR, MINUTE, SECOND

_REDIS = frozenset({"redis", "rediss", "redis+socket", "sentinel", "sentinel+tls", "valkey"})
_AMQP = frozenset({"amqp", "amqps", "pyamqp", "librabbitmq"})
#: kombu/transport/redis.py, Channel.visibility_timeout; kombu/transport/SQS.py, Channel.default_visibility_timeout
_VISIBILITY_NS = {"redis": HOUR, "sqs": 30 * MINUTE}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """``kind`` is ``redis``, ``sqs``, ``amqp`` or what the URL says; a timeout that the broker has not is ``None``."""

    kind: str
    visibility_ns: int | None
    is_default: bool


def broker_facts(app: Any) -> BrokerFacts:
    """From the app's own URL and ``broker_transport_options``; the environment beats both, as in Celery."""
    url = os.environ.get("CELERY_BROKER_URL") or app.conf.broker_read_url or app.conf.broker_url or "amqp://"
    scheme = (url[0] if isinstance(url, list | tuple) else str(url)).partition(":")[0].lower()
    kind = "redis" if scheme in _REDIS else "amqp" if scheme in _AMQP else scheme
    given = (app.conf.broker_transport_options or {}).get("visibility_timeout")
    default = _VISIBILITY_NS.get(kind)
    return BrokerFacts(
        kind=kind,
        visibility_ns=default if given is None or default is None else int(float(given) * SECOND),
        is_default=given is None,
    )
