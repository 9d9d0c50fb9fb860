"""Which modelled version of RabbitMQ a real server is nearest to."""

from __future__ import annotations

import amqp
from kombu import Connection

from retrysim.rabbitmq import NEWEST, VERSIONS


def modelled_version(url: str) -> str:
    """The newest modelled version that is not newer than the server; the newest of all where none answers."""
    if not url.startswith(("amqp", "pyamqp")):
        return NEWEST  # whoever plays on it is told that it is no RabbitMQ
    try:
        with Connection(url, connect_timeout=5) as connection:
            release = str(connection.connection.server_properties.get("version", ""))
    except (OSError, amqp.AMQPError):
        return NEWEST  # whoever plays on it is told that it does not answer
    return nearest_version(release)


def nearest_version(release: str) -> str:
    """``"3.13.7"`` is ``"3.13"``, ``"4.1.0"`` is ``"4.0"``; anything older is the oldest."""
    known = [name for name in VERSIONS if _key(name) <= _key(release)[:2]]
    return known[-1] if known else next(iter(VERSIONS))


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
