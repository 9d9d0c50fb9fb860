"""Lets every client of redis-py in this process, and every result backend of Celery, use one simulated Redis.

No URL is changed: whatever host a client names, the simulated server answers. It does not listen on ports below 1024,
as no Redis does: tests name one to have a server that is down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import redis
from celery.backends.redis import RedisBackend
from fakeredis import FakeRedisConnection

from retrysim.celery.redis.connection import Connection
from retrysim.celery.redis.results import result_consumer_class
from retrysim.kernel import Environment, Host
from retrysim.undo import UndoStack


def serve_every_client(undo: UndoStack, environment: Environment, connection_class: type[Connection]) -> None:
    """Until ``undo`` is unwound; a pool that has connections already gets them back then."""
    pools = _PoolsOfProcesses(undo, environment)
    for kind in (redis.ConnectionPool, redis.BlockingConnectionPool):
        undo.set_attribute(kind, "make_connection", _simulated(kind.make_connection, connection_class))
        for name in ("get_connection", "release"):
            undo.set_attribute(kind, name, pools.of_its_own(getattr(kind, name)))
    undo.set_attribute(RedisBackend, "ResultConsumer", result_consumer_class(environment))


def _simulated(make_connection: Callable[[Any], Any], connection_class: type[Connection]) -> Callable[[Any], Any]:
    def make(pool: Any) -> Any:
        asked_for = pool.connection_class
        if not _is_fake(pool):
            pool.connection_class = connection_class
        try:
            return make_connection(pool)
        finally:
            pool.connection_class = asked_for

    return make


class _PoolsOfProcesses:
    """What is in each pool of connections, for each process: redis-py empties a pool that was forked.

    A client that a module makes at import is the same in all of them, and in many simulations. What is kept of a pool
    is kept in the pool: one that nobody has any more is gone, with its connections.
    """

    def __init__(self, undo: UndoStack, environment: Environment) -> None:
        self._environment = environment
        self._pools: WeakSet[Any] = WeakSet()
        undo.callback(self._give_back)

    def of_its_own(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """A method of a pool, which finds there what the running process has put in."""

        def method(pool: Any, *args: Any, **options: Any) -> Any:
            if not _is_fake(pool):
                self._enter(pool)
            return real(pool, *args, **options)

        return method

    def _enter(self, pool: Any) -> None:
        owner = self._environment.host
        if pool not in self._pools:
            self._pools.add(pool)
            kept = vars(pool)[_KEPT] = _Kept(owner, dict(vars(pool)))
            pool.reset()
        else:
            kept = vars(pool)[_KEPT]
        if kept.owner is not owner:
            kept.of_others[kept.owner] = dict(vars(pool))
            if owner in kept.of_others:
                _put(pool, kept.of_others.pop(owner))
            else:
                pool.reset()
            kept.owner = owner

    def _give_back(self) -> None:
        for pool in self._pools:
            _put(pool, vars(pool)[_KEPT].before)


#: The name in a pool of what is kept of it.
_KEPT = "_retrysim_kept"


class _Kept:
    """Of a pool: who has put in what is in there now, what others have, and what there was before the simulation."""

    def __init__(self, owner: Host, before: dict[str, Any]) -> None:
        self.owner = owner
        self.before = before
        self.of_others: dict[Host, dict[str, Any]] = {}


def _put(pool: Any, contents: dict[str, Any]) -> None:
    vars(pool).clear()
    vars(pool).update(contents)


def _is_fake(pool: Any) -> bool:
    """Ours already, or a fake of the test's own."""
    return issubclass(pool.connection_class, FakeRedisConnection)
