"""A key prefix of a Redis: kombu and Celery put it before every key, so a run and its neighbours never meet."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import redis

from retrysim.errors import InputError

_PRIORITY_STEPS = (0, 3, 6, 9)
_SEPARATOR = "\x06\x16"


class RedisPlace:
    """``url`` names the server and its database; all keys begin with ``retrysim:TOKEN:``."""

    kind = "redis"

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.prefix = f"retrysim:{token}:"
        self._options: dict[str, Any] = {}
        try:
            self._client = redis.Redis.from_url(url, socket_connect_timeout=5)
        except ValueError as error:
            raise InputError(f"{url} is no URL of a Redis: {error}") from None

    def open(self) -> None:
        try:
            self._client.ping()
        except redis.RedisError as error:
            raise InputError(f"{self.url} does not answer: {error}. Is a Redis running there?") from None

    def settings(self, app: Any) -> dict[str, Any]:
        self._options = dict(app.conf.broker_transport_options or {})
        return {
            **dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), self.url),
            **dict.fromkeys(("broker_user", "broker_password", "broker_transport")),
            "broker_transport_options": {**self._options, "global_keyprefix": self.prefix},
            **self.results(app),
        }

    def results(self, app: Any) -> dict[str, Any]:
        """Where an app that keeps results keeps them; one that keeps none goes on keeping none."""
        if not app.conf.result_backend:
            return {}
        options = dict(app.conf.result_backend_transport_options or {})
        return {
            "result_backend": self.url,
            "result_backend_transport_options": {**options, "global_keyprefix": self.prefix},
        }

    def waiting(self, queues: Iterable[str]) -> dict[str, int]:
        steps = self._options.get("priority_steps", _PRIORITY_STEPS)
        separator = self._options.get("sep", _SEPARATOR)
        found = {}
        for queue in queues:
            keys = [f"{queue}{separator}{step}" if step else queue for step in steps]
            count = sum(int(self._client.llen(self.prefix + key)) for key in keys)
            if count:
                found[queue] = count
        return found

    def unacked(self) -> int:
        key = self._options.get("unacked_key", "unacked")
        return int(self._client.hlen(self.prefix + key))

    def close(self, queues: Iterable[str]) -> None:
        with suppress(redis.RedisError):  # a server that has gone holds nothing of ours that we could remove
            self._empty()

    def _empty(self) -> None:
        for key in self._client.scan_iter(match=f"{self.prefix}*", count=1000):
            self._client.unlink(key)
