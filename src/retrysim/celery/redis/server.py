"""The Redis server of one simulation: fakeredis, whose blocked clients wait in virtual time.

fakeredis lets a client that blocks (BRPOP, BLPOP, BLMOVE, XREAD, ...) wait for a thread's condition, and wakes all of
them at every change of any key. Here a blocked client is an entry in a queue, as in Redis: after each command those
that asked for a changed key are served, who waits longest first; a timeout is an event of the simulation.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fakeredis import FakeServer
from fakeredis._core import Database  # no public name; fakeredis >= 2.40

from retrysim.celery.redis.network import Network
from retrysim.celery.redis.ordered import OrderedSet
from retrysim.clock import grid_ns
from retrysim.kernel import Environment

if TYPE_CHECKING:
    from retrysim.celery.redis.sockets import Socket

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


@dataclass(slots=True, kw_only=True, eq=False)
class Blocked:
    """A client that waits for an answer: how to try again, and what it is told when its time is up."""

    socket: Socket
    words: frozenset[bytes]
    attempt: Callable[[], Any]
    give_up: Callable[[], Any]
    timeout_ns: int | None
    deadline: Any = None


class Server(FakeServer):  # type: ignore[misc]
    """One Redis server, reachable by ``connection_class`` only: there is no port."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(version=VERSION)
        # Celery unsubscribes where Python collects an ``AsyncResult``, and that may be inside another command.
        self.lock: Any = threading.RLock()
        self.environment = environment
        # Celery unsubscribes from a result when Python collects it, which may be in the middle of another command.
        self.lock = threading.RLock()
        #: what a command costs the test, which shares no clock with the workers in reality
        self.round_trip_ns = 0
        #: how long is under way what a client gets that waited for it: a worker its message, a subscriber what is new
        self.delivery_ns = 0
        self._changed: set[bytes] = set()
        self.dbs: dict[int, Any] = defaultdict(lambda: _Database(self.lock, self._changed))
        # Subscribers get a message in the order in which they subscribed, not by their address.
        self.subscribers: dict[bytes, OrderedSet[Any]] = defaultdict(OrderedSet)
        self.psubscribers: dict[bytes, OrderedSet[Any]] = defaultdict(OrderedSet)
        self.ssubscribers: dict[bytes, OrderedSet[Any]] = defaultdict(OrderedSet)
        self._blocked: dict[Socket, Blocked] = {}
        self._serving = False
        self._file_numbers = itertools.count(1_000_000)  # like no real file's
        self._by_fileno: dict[int, Socket] = {}
        self.network = Network(environment, lambda: list(self._by_fileno.values()))

    # -- sockets -------------------------------------------------------------------------------------------------------

    def enter(self, socket: Socket) -> int:
        """A file number for a socket."""
        number = next(self._file_numbers)
        self._by_fileno[number] = socket
        return number

    def leave(self, socket: Socket) -> None:
        """The connection is over."""
        self._by_fileno.pop(socket.fileno(), None)
        self._unblock(socket)

    def lose_data(self) -> None:
        """Forget every key, as a server without persistence does when it is restarted."""
        with self.lock:
            for database in self.dbs.values():
                database.clear()

    def find_socket(self, fileno: int) -> Socket | None:
        return self._by_fileno.get(fileno)

    def unread(self, host: object) -> list[Any]:
        """The replies to a host that it has not read."""
        return [reply for socket in self._by_fileno.values() if socket.host is host for reply in socket.unread()]

    def drop(self, host: object) -> None:
        """A machine is gone: hang up on all its clients, and answer them nothing."""
        for socket in [socket for socket in self._by_fileno.values() if socket.host is host]:
            socket.lose_server()

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
                for client in [c for c in self._blocked.values() if not changed.isdisjoint(c.words)]:
                    self._try(client)
        finally:
            self._serving = False

    def _try(self, client: Blocked) -> None:
        with self.lock:
            answer = client.attempt()
        if answer is not None:
            self._answer(client, answer)

    def _start_timeout(self, client: Blocked) -> None:
        # A daemon event: that a poll comes back empty keeps no run alive. Who waits for it otherwise says so itself.
        if client.timeout_ns is not None:
            due_ns = self.environment.clock.ns + client.timeout_ns
            client.deadline = self.environment.schedule(due_ns, lambda: self._time_out(client), daemon=True)

    def _time_out(self, client: Blocked) -> None:
        if not client.socket.silent and client.socket.would_ask_again():
            del self._blocked[client.socket]  # as who blocks now: behind all others
            self.block(client)
        else:
            with self.lock:
                answer = client.give_up()
            self._answer(client, answer)

    def _answer(self, client: Blocked, answer: Any) -> None:
        self._unblock(client.socket)
        if self.delivery_ns:
            due_ns = self.environment.clock.ns + self.delivery_ns
            self.environment.schedule(due_ns, lambda: self._deliver(client.socket, answer))
        else:
            self._deliver(client.socket, answer)

    def _deliver(self, socket: Socket, answer: Any) -> None:
        socket.receive(answer)
        socket.resume()
        self.serve_blocked()

    def _unblock(self, socket: Socket) -> None:
        client = self._blocked.pop(socket, None)
        if client is not None and client.deadline is not None:
            client.deadline.cancel()


def timeout_ns(seconds: float | None) -> int | None:
    """A timeout of a Redis command: 0 is none."""
    return grid_ns(seconds) if seconds else None
