"""The Redis broker of one simulation: a server, kombu's transport to it, and what its workers poll, time and run by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import billiard.pool
import redis
from celery.backends.redis import RedisBackend
from celery.worker import components
from kombu.transport import redis as kombu_redis

from retrysim.celery.forked import share_judgement
from retrysim.celery.hub.hub import Hub
from retrysim.celery.hub.poller import HubPoller
from retrysim.celery.hub.timer import HubTimer
from retrysim.celery.pools.prefork_in_hub import HubPool
from retrysim.celery.publishing import Judgement, forget
from retrysim.celery.redis import contents
from retrysim.celery.redis.connection import connection_class
from retrysim.celery.redis.everywhere import serve_every_client
from retrysim.celery.redis.expiry import expire_when_due
from retrysim.celery.redis.poller import ConsumerPoller
from retrysim.celery.redis.results import RedisResults, database_of
from retrysim.celery.redis.server import RedisServer
from retrysim.celery.redis.transport import transport_class
from retrysim.celery.redis.visibility import Visibility
from retrysim.celery.result_conditions import ResultConditions
from retrysim.clock import time_of_day
from retrysim.durations import MILLISECOND, SECOND
from retrysim.faults import Rules
from retrysim.kernel import Host, Role
from retrysim.network import Connection, Network
from retrysim.undo import UndoStack

#: kombu's names for transports that end at a Redis.
_REDIS_TRANSPORTS = ("redis", "rediss", "sentinel")


class RedisBroker:
    """``Simulation(broker="redis")``: kombu's Redis transport under Celery's event loop, as with prefork."""

    name = kind = "redis"
    pool = HubPool
    boot_ns = 30 * MILLISECOND  # a redis-server 7.0 without data, killed and started: 16 to 42 ms

    def __init__(self, network: Network, rules: Rules, conditions: ResultConditions) -> None:
        self.environment = network.environment
        self.conditions = conditions
        self.server = RedisServer(network)
        self.server.on_lost = self._lost
        self.network = self.server.route
        self.connection_class = connection_class(self.server)
        self.changed = _Hubs()
        self.routed: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self.visibility = Visibility(self.environment, self.notes)
        self.judgement = Judgement(rules, self.routed)
        self._channels: list[Any] = []
        self._given: dict[str, str] = {}
        self._keys: dict[contents.Keys, None] = {}
        self.transport: Any = transport_class(self)

    def connect(self, undo: UndoStack) -> None:
        """Put our poller, hub and timer where kombu and Celery look for theirs, until ``undo`` is unwound."""
        expire_when_due(undo)
        undo.set_attribute(kombu_redis, "poll", partial(ConsumerPoller, self.server, self.changed.parked))
        undo.set_attribute(components, "_Hub", partial(Hub, make_poller=self._hub_poller))
        undo.set_attribute(components, "_Timer", partial(HubTimer, self.environment))
        undo.set_attribute(billiard.pool, "Lock", billiard.pool.Lock)  # the hub's step replaces it for good
        _forget_the_first_lock(undo)
        share_judgement(self.environment.faces, self.judgement)
        self.environment.listeners.add(undo, died=self._drop)
        undo.then(self._close)

    def serve(self, undo: UndoStack) -> None:
        """Keep results, and be no broker, until ``undo`` is unwound."""
        undo.then(self.server.end)
        expire_when_due(undo)
        _forget_the_first_lock(undo)

    def serve_every_client(self, undo: UndoStack) -> None:
        """Answer every client of redis-py in this process, whatever host it names, until ``undo`` is unwound."""
        self.serve(undo)
        serve_every_client(undo, self.environment, self.connection_class)

    # -- an app's settings ---------------------------------------------------------------------------------------------

    def settings(self, app: Any) -> dict[str, Any]:
        """What is laid over an app's configuration; its database and its transport options stay its own."""
        database, options = _broker_of(app)
        url = f"redis://simulation:6379/{database}"
        return {
            **dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), url),
            **dict.fromkeys(("broker_user", "broker_password", "broker_transport")),
            "broker_transport_options": options,
            "broker_use_ssl": False,
        }

    def results(self, app: Any) -> Callable[[], Any] | None:
        """Makes the result backend of one simulated process; ``None`` for an app that keeps its results elsewhere."""
        if not isinstance(app.backend, RedisBackend):
            return None
        database = database_of(app.backend)
        return partial(RedisResults, app, self.environment, self.connection_class, database, self.conditions)

    # -- who uses it ---------------------------------------------------------------------------------------------------

    def client(self, database: int = 0, **options: Any) -> redis.Redis:
        """A client of redis-py on the simulated server: for a test that looks at keys."""
        options.setdefault("socket_timeout", None)
        pool = redis.ConnectionPool(connection_class=self.connection_class, db=database, **options)
        return redis.Redis(connection_pool=pool)

    def opened(self, channel: Any) -> None:
        """A channel was opened."""
        self._channels.append(channel)
        channel.keys = contents.keys_of(channel)
        self._keys[channel.keys] = None

    def closed(self, channel: Any) -> None:
        """A channel was closed; kombu closes some twice."""
        if channel in self._channels:
            self._channels.remove(channel)

    @contextmanager
    def receiving(self, message: Any, host: Host) -> Iterator[None]:
        """While inside, a host records in Redis that it has a message, which BRPOP has removed from its queue."""
        task_id = str((message.headers or {}).get("id"))
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            self._given[task_id] = (
                f"Redis had given its message to {host.machine}, which lost its connection before it had recorded that"
            )
            raise
        self._given.pop(task_id, None)

    def _drop(self, host: Host) -> None:
        """A host disappears: its connections break, and what it had unacked stays unacked."""
        if host.role is Role.CHILD:  # its connections are those of its worker, as Celery's globals are
            return
        for task_id in contents.given_and_unread(self.server.route.of(lambda its: its is host)):
            self._given[task_id] = f"Redis had given its message to {host.machine}, which was gone before it read it"
        for channel in [channel for channel in self._channels if channel.host is host]:
            self._abandon(channel)
        self.server.route.drop(host)
        self.changed.notify_all()  # the hubs that live have something to wait for now: the next sweep

    def _lost(self, connection: Connection) -> None:
        for task_id in contents.given_and_unread([connection]):
            machine = connection.host.machine
            phrase = f"Redis had given its message to {machine}, which lost its connection before it read it"
            self._given.setdefault(task_id, phrase)

    def stop(self, *, lose_data: bool) -> None:
        """Redis keeps its keys, unless it has no persistence."""
        if lose_data:
            self.server.lose_data()

    def _abandon(self, channel: Any) -> None:
        self.closed(channel)
        forget(channel)

    def _close(self) -> None:
        for channel in tuple(self._channels):
            self._abandon(channel)
        self.server.end()

    def _hub_poller(self, timer: HubTimer, has_work: Callable[[], bool]) -> HubPoller:
        poller = HubPoller(
            self.server.route.network,
            has_work=has_work,
            until_next_ns=timer.until_next_ns,
            keeps_alive=lambda: timer.awaits_one() or self._has_orphans(),
            stands_for=lambda: None if self._has_orphans() else timer.first_one_shot_ns(),
            timer=timer,
        )
        self.changed.pollers.append(poller)
        return poller

    # -- what is in it -------------------------------------------------------------------------------------------------

    def waiting(self) -> dict[str, list[str]]:
        """The ids of the tasks that wait in each queue."""
        return contents.queued(self.server, self._keys)

    def unacked(self) -> dict[str, str]:
        """The tasks whose message was delivered to somebody who is gone (id -> a phrase)."""
        found = dict(self._given)
        for place, tag in contents.orphans(self.server, self._keys, self._channels):
            task_id = contents.task_id_of(self.server, place, tag)
            if task_id is not None:
                since_ns = contents.delivered_ns(self.server, place, tag)
                visible_ns = since_ns + place.visibility_timeout * SECOND
                found[task_id] = (
                    f"unacked since {time_of_day(since_ns)} by somebody who is gone; "
                    f"visible again from {time_of_day(visible_ns)}, when a worker sweeps, and none is left"
                )
        return found

    def _has_orphans(self) -> bool:
        return any(True for _ in contents.orphans(self.server, self._keys, self._channels))


def _forget_the_first_lock(undo: UndoStack) -> None:
    """redis-py registers the scripts of all locks with the client of the first one, and keeps it by them."""
    for script in ("lua_release", "lua_extend", "lua_reacquire"):
        undo.set_attribute(redis.lock.Lock, script, None)


class _Hubs:
    """All loops of the simulation, woken together when somebody has set a flag that they look at."""

    def __init__(self) -> None:
        self.pollers: list[HubPoller] = []
        #: those of loops without a hub, while they wait
        self.parked: list[ConsumerPoller] = []

    def notify_all(self) -> None:
        for poller in (*self.pollers, *self.parked):
            poller.nudge()


def _broker_of(app: Any) -> tuple[int, dict[str, Any]]:
    """The database and the transport options of an app; of another kind of broker, 0 and what Redis knows as well."""
    connection = app.connection_for_write()
    if connection.transport_cls not in _REDIS_TRANSPORTS:
        options = dict(app.conf.broker_transport_options or {})
        return 0, {name: value for name, value in options.items() if name in kombu_redis.Channel.from_transport_options}
    database = str(connection.virtual_host).strip("/")
    return int(database) if database.isdigit() else 0, dict(app.conf.broker_transport_options)
