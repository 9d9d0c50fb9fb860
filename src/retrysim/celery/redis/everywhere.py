"""Lets every client of redis-py in this process, and every result backend of Celery, use one simulated Redis.

No URL is changed: whatever host a client names, the simulated server answers. It does not listen on ports below 1024,
as no Redis does: tests name one to have a server that is down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from celery.backends.redis import RedisBackend
from fakeredis import FakeRedisConnection

from retrysim.celery.redis.connection import Connection
from retrysim.celery.redis.results import result_consumer_class
from retrysim.kernel import Environment
from retrysim.undo import UndoStack


def serve_every_client(undo: UndoStack, environment: Environment, connection_class: type[Connection]) -> None:
    """Until ``undo`` is unwound; connections that are open already stay what they are."""
    for pool in (redis.ConnectionPool, redis.BlockingConnectionPool):
        undo.set_attribute(pool, "make_connection", _simulated(pool.make_connection, connection_class))
    undo.set_attribute(RedisBackend, "ResultConsumer", result_consumer_class(environment))


def _simulated(make_connection: Callable[[Any], Any], connection_class: type[Connection]) -> Callable[[Any], Any]:
    def make(pool: Any) -> Any:
        asked_for = pool.connection_class
        if not issubclass(asked_for, FakeRedisConnection):  # ours already, or a fake of the test's own
            pool.connection_class = connection_class
        try:
            return make_connection(pool)
        finally:
            pool.connection_class = asked_for

    return make
