"""The part of a real broker that one run has for itself: what is in it, and how it is emptied in the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import urlsplit

from retrysim.errors import InputError


class Namespace(Protocol):
    """A key prefix of a Redis, or a virtual host of a RabbitMQ."""

    kind: str

    def open(self) -> None:
        """Make it. Raises ``InputError`` when the server does not answer, or does not let us in."""
        ...

    def settings(self, app: Any) -> dict[str, Any]:
        """What is laid over the configuration of an app that is to use it."""
        ...

    def waiting(self, queues: Iterable[str]) -> dict[str, int]:
        """How many messages wait in each of these queues; those that have none are left out."""
        ...

    def unacked(self) -> int | None:
        """How many messages were given out and not acknowledged; ``None`` where the broker does not tell."""
        ...

    def close(self, queues: Iterable[str]) -> None:
        """Remove every trace of the run."""
        ...


def make_place(url: str, results_url: str, token: str) -> Namespace:
    """A place of its own at the broker of that URL; it is made when it is opened."""
    from retrysim.live.rabbit_place import RabbitPlace
    from retrysim.live.redis_place import RedisPlace

    scheme = urlsplit(url).scheme
    if scheme in ("redis", "rediss"):
        return RedisPlace(url, token)
    if scheme in ("amqp", "amqps", "pyamqp"):
        return RabbitPlace(url, RedisPlace(results_url, token), token)
    raise InputError(f"--live {url}: expected a URL that begins with redis:// or amqp://")
