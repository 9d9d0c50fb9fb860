"""The Redis server of one simulation: fakeredis, whose blocked clients wait in virtual time.

fakeredis lets a client that blocks (BRPOP, BLPOP, BLMOVE, XREAD, ...) wait for a thread's condition, and wakes all of
them at every change of any key. Here a blocked client is an entry in a queue, as in Redis: after each command those
that asked for a changed key are served, who waits longest first; a timeout is an event of the simulation.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from fakeredis import FakeServer
from fakeredis._core import Database  # no public name; fakeredis >= 2.40

from retrysim.celery.redis.sockets import Blocked, Socket
from retrysim.clock import VirtualClock
from retrysim.kernel import Regular
from retrysim.network import Connection, Network
from retrysim.ordered import OrderedSet

#: The version that it tells clients: the newest that the oldest supported kombu was made for.
VERSION = (7, 4)


class _Database(Database):  # type: ignore[misc]
    """fakeredis' database; tells which keys a command changed."""

    def __init__(self, lock: Any, changed: set[bytes]) -> None:
        super().__init__(lock)
        self._changed = changed

    def notify_watch(self, key: bytes) -> None:
        self._changed.add(key)
        super().notify_watch(key)


class _AskingAgain:
    """The timeout of a client that would send the same command at once: it does not have to read that nothing came."""

    def __init__(self, client: Blocked, blocked: dict[Socket, Blocked], timeout_ns: int, clock: VirtualClock) -> None:
        self._client = client
        self._clock = clock
        self._blocked = blocked
        self._timeout_ns = timeout_ns

    def pass_by(self) -> int | None:
        """As who blocks now, it stands behind all others."""
        client = self._client
        if not client.asks_again():
            return None
        client.socket.asks_again(0)
        del self._blocked[client.socket]
        self._blocked[client.socket] = client
        return self._blocked_until_ns() + self._timeout_ns

    def _blocked_until_ns(self) -> int:
        return int(self._client.deadline.ns)

    def regular(self) -> Regular | None:
        return Regular(period_ns=self._timeout_ns) if self._client.asks_again() else None

    def move(self, ns: int) -> None:
        """It has asked so much later."""
        ago_ns = self._clock.ns - (self._blocked_until_ns() - self._timeout_ns)
        self._client.socket.asks_again(ago_ns)


class RedisServer(FakeServer):  # type: ignore[misc]
    """One Redis server, reachable by ``connection_class`` only: there is no port."""

    name = "Redis"

    def __init__(self, network: Network) -> None:
        super().__init__(version=VERSION)
        # Celery unsubscribes when Python collects an ``AsyncResult``, which may be inside another command.
        self.lock: Any = threading.RLock()
        self.environment = network.environment
        #: what a command costs the test, which shares no clock with the workers in reality
        self.round_trip_ns = 0
        #: how long is under way what a client gets that waited for it: a worker its message, a subscriber what is new
        self.delivery_ns = 0
        #: is called with a connection that ends
        self.on_lost: Callable[[Connection], None] = _takes_no_note
        self._changed: set[bytes] = set()
        self.dbs: dict[int, Any] = defaultdict(lambda: _Database(self.lock, self._changed))
        # Subscribers get a message in the order in which they subscribed, not by their address.
        self.subscribers: dict[bytes, OrderedSet[Any]] = defaultdict(OrderedSet)
        self.psubscribers: dict[bytes, OrderedSet[Any]] = defaultdict(OrderedSet)
        self.ssubscribers: dict[bytes, OrderedSet[Any]] = defaultdict(OrderedSet)
        self._blocked: dict[Socket, Blocked] = {}
        self._serving = False
        self.route = network.route_to(self)

    def accept(self, connection: Connection, _now_ns: int) -> Socket:
        """A client without options: database 0."""
        return Socket(self, connection)

    def lose_data(self) -> None:
        """Forget every key, as a server without persistence does when it is restarted."""
        with self.lock:
            for database in self.dbs.values():
                database.clear()

    def end(self) -> None:
        """The simulation is over. A Lua interpreter and what Python has lent it keep each other alive: part them."""
        self.route.end()
        lua: Any = getattr(self, "_lua_runtime", None)
        if lua is not None:
            lua.execute("redis, cjson = nil, nil collectgarbage()")

    def let_the_answer_travel(self) -> None:
        """Let the world go on while a command of the test is under way; those of processes cost them nothing."""
        if self.round_trip_ns and self.environment.at_rest and not self.lock._is_owned():
            self.environment.sleep(self.round_trip_ns)

    # -- blocked clients -----------------------------------------------------------------------------------------------

    def block(self, client: Blocked) -> None:
        """Let a client wait until a key that it asked for changes, or until its timeout has passed."""
        self._blocked[client.socket] = client
        self._start_timeout(client)

    def is_blocked(self, socket: Socket) -> bool:
        """Whether a client waits for the answer to a blocking command."""
        return socket in self._blocked

    def asks_again(self, socket: Socket | None) -> bool:
        """Whether a blocked client would ask the same again when its time is up."""
        client = None if socket is None else self._blocked.get(socket)
        return client is not None and client.asks_again()

    def until_timeout_ns(self, socket: Socket) -> int | None:
        """How long a blocked client will still wait at most; ``None`` if it is not blocked, or has no timeout."""
        client = self._blocked.get(socket)
        return client.deadline.ns - self.environment.clock.ns if client is not None and client.deadline else None

    def serve_blocked(self) -> None:
        """After a command: try again for those that asked for what it changed."""
        if self._serving:
            return
        self._serving = True
        try:
            while self._changed:
                changed = frozenset(self._changed)
                self._changed.clear()
                for client in list(self._blocked.values()):
                    if client.may_get(changed):
                        self._try(client)
        finally:
            self._serving = False

    def _try(self, client: Blocked) -> None:
        with self.lock, self.environment.clock.right():
            answer = client.attempt()
        if answer is not None:
            self._answer(client, answer)

    def _start_timeout(self, client: Blocked) -> None:
        # A daemon event: that a poll comes back empty keeps no run alive. Who waits for it otherwise says so itself.
        if client.timeout_ns is not None:
            beat = _AskingAgain(client, self._blocked, client.timeout_ns, self.environment.clock)
            due_ns = self.environment.clock.ns + client.timeout_ns
            client.deadline = self.environment.schedule(due_ns, lambda: self._time_out(client), daemon=True, beat=beat)

    def _time_out(self, client: Blocked) -> None:
        with self.lock:
            answer = client.give_up()
        self._answer(client, answer)

    def _answer(self, client: Blocked, answer: Any) -> None:
        self.unblock(client.socket)
        if self.delivery_ns:
            due_ns = self.environment.clock.ns + self.delivery_ns
            self.environment.schedule(due_ns, lambda: self._deliver(client.socket, answer))
        else:
            self._deliver(client.socket, answer)

    def _deliver(self, socket: Socket, answer: Any) -> None:
        socket.connection.send(answer)
        socket.resume()
        self.serve_blocked()

    def unblock(self, socket: Socket) -> None:
        """It waits for no answer any more."""
        client = self._blocked.pop(socket, None)
        if client is not None and client.deadline is not None:
            client.deadline.cancel()


def _takes_no_note(_connection: Connection) -> None:
    return None
