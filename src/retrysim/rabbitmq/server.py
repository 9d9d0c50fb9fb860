"""A RabbitMQ without I/O: connections take bytes and give bytes, and time is an argument.

Whoever hosts it calls ``connect()`` for each client, gives what came to ``Connection.receive``, sends what ``flush()``
returns, and calls ``advance`` when ``next_ns()`` has come.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from retrysim.rabbitmq.channel import Channel, release
from retrysim.rabbitmq.connection import Connection
from retrysim.rabbitmq.dead_letters import DeadLetters
from retrysim.rabbitmq.message import Message
from retrysim.rabbitmq.queues import Queue
from retrysim.rabbitmq.restart import survive
from retrysim.rabbitmq.versions import NEWEST, Version, version_named
from retrysim.rabbitmq.virtual_host import VirtualHost


@dataclass(slots=True, kw_only=True, order=True)
class Timer:
    """Something that is due at an instant."""

    due_ns: int
    number: int
    callback: Callable[[], object] = field(compare=False)
    #: whether nobody is waiting for it: a heartbeat, the expiry of a queue
    background: bool = field(compare=False)
    over: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.over = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A message that is gone without a consumer: where it was, and why."""

    message: Message
    #: ``None``: it never was in one
    queue: str | None
    reason: str


class RabbitMQServer:
    """One node, with its virtual hosts and connections. A virtual host comes into being when a client names it."""

    def __init__(
        self, version: str | Version = NEWEST, *, now_ns: int = 0, permit_transient_queues: bool = True
    ) -> None:
        self.version = version if isinstance(version, Version) else version_named(version)
        self.permit_transient_queues = permit_transient_queues
        self.consumer_timeout_ns: int | None = self.version.consumer_timeout_ns
        self.now_ns = now_ns
        self.hosts: dict[str, VirtualHost] = {}
        self.connections: list[Connection] = []
        self.dead_letters = DeadLetters(self)
        #: the reason of an alarm: publishers are blocked while it lasts
        self.alarm: str | None = None
        #: puts a message that a client published into a queue; says whether the queue took it
        self.put: Callable[[Queue, Message, Connection], bool] = _put
        #: which queue is told when which channels of a client are gone; RabbitMQ orders queues by a hash of their names
        #: and leaves to chance whether a quorum queue is told of channels that end together one after the other
        self.order_of_ends: Callable[[list[Channel], list[Queue]], Iterable[tuple[Queue, list[Channel]]]] = _together
        #: the names of queues that somebody else has locked
        self.locked: set[str] = set()
        #: told of each message that is dropped
        self.on_dropped: Callable[[Dropped], None] = _nothing
        #: told where a dead letter went
        self.on_dead_letter: Callable[[Queue, Message, str, list[Queue]], None] = _nothing
        #: told of each argument that is accepted, and changes nothing here
        self.on_unmodelled: Callable[[str], None] = _nothing
        #: what somebody may wait for, and what nobody does
        self._timers: dict[bool, list[Timer]] = {False: [], True: []}
        #: nothing is due before
        self._quiet_until_ns: float = math.inf
        self._numbers = itertools.count(1)
        self._written: dict[Connection, None] = {}

    # -- clients -------------------------------------------------------------------------------------------------------

    def connect(self) -> Connection:
        """A client has opened a connection."""
        connection = Connection(self)
        self.connections.append(connection)
        return connection

    def host(self, name: str) -> VirtualHost:
        return self.hosts.setdefault(name, VirtualHost(name))

    def queues(self) -> Iterator[Queue]:
        """The queues of all virtual hosts."""
        for host in self.hosts.values():
            yield from host.queues.values()

    def invent_name(self, prefix: str) -> str:
        """A name as RabbitMQ invents them (``amq.gen-...``), the same in each run."""
        digest = hashlib.md5(str(next(self._numbers)).encode(), usedforsecurity=False).digest()
        return f"{prefix}-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    def wrote(self, connection: Connection) -> None:
        """A connection has something to be sent, or is to be closed."""
        self._written[connection] = None

    def flush(self) -> list[tuple[Connection, bytes]]:
        """What has to be sent; a connection that is ``over`` is closed after it."""
        self.dead_letters.arrive()
        if not self._written:
            return []
        written, self._written = self._written, {}
        return [(connection, connection.take()) for connection in written]

    # -- time ----------------------------------------------------------------------------------------------------------

    def call_at(self, due_ns: int, callback: Callable[[], object], *, background: bool) -> Timer:
        timer = Timer(due_ns=due_ns, number=next(self._numbers), callback=callback, background=background)
        heapq.heappush(self._timers[background], timer)
        self._quiet_until_ns = min(self._quiet_until_ns, due_ns)
        return timer

    def next_ns(self, *, background: bool) -> int | None:
        """When ``advance`` has to be called for what nobody waits for (heartbeats, say), or for all other things."""
        timers = self._timers[background]
        while timers and timers[0].over:
            heapq.heappop(timers)
        return timers[0].due_ns if timers else None

    def advance(self, now_ns: int) -> None:
        """Let time pass, and do what is due."""
        while now_ns >= self._quiet_until_ns:
            first = min((timers for timers in self._timers.values() if timers), key=itemgetter(0), default=None)
            if first is None or first[0].due_ns > now_ns:
                self._quiet_until_ns = math.inf if first is None else first[0].due_ns
            else:
                self._fire(heapq.heappop(first))
        self.now_ns = max(self.now_ns, now_ns)

    def _fire(self, timer: Timer) -> None:
        if not timer.over:
            timer.over = True
            self.now_ns = max(self.now_ns, timer.due_ns)
            timer.callback()
            self.dead_letters.arrive()

    # -- what happens to messages --------------------------------------------------------------------------------------

    def dropped(self, queue: Queue | None, message: Message, reason: str) -> None:
        name = None if queue is None else queue.name
        self.on_dropped(Dropped(message=message, queue=name, reason=reason))

    def dead_lettered(self, queue: Queue, letter: Message, reason: str, reached: list[Queue]) -> None:
        self.on_dead_letter(queue, letter, reason, reached)

    # -- what an operator, or misfortune, does -------------------------------------------------------------------------

    def raise_alarm(self, reason: str = "low on memory") -> None:
        """Block connections that publish, as RabbitMQ does when memory or disk run low."""
        self.alarm = reason
        for connection in list(self.connections):
            connection.look_at_alarm()

    def clear_alarm(self) -> None:
        """Let them go on; what they sent meanwhile is taken."""
        self.alarm = None
        for connection in list(self.connections):
            connection.look_at_alarm()

    def close_all(self, code: int = 320, text: str = "broker forced connection closure with reason 'shutdown'") -> None:
        """Close every connection from this end."""
        for connection in list(self.connections):
            connection.force_close(code, text)

    def restart(self, *, lose_data: bool = False) -> None:
        """What is left after the node was stopped and started: what is durable, with the messages that persist."""
        release([channel for connection in self.connections for channel in connection.channels.values()])
        for connection in list(self.connections):
            connection.lost()
        self._written.clear()
        self.alarm = None
        if lose_data:
            for queue in list(self.queues()):
                queue.delete("the server lost its data")
            self.hosts.clear()
        for host in self.hosts.values():
            survive(host)


def _put(queue: Queue, message: Message, _publisher: Connection) -> bool:
    return queue.publish(message)


def _together(channels: list[Channel], queues: list[Queue]) -> Iterable[tuple[Queue, list[Channel]]]:
    return [(queue, channels) for queue in queues]


def _nothing(*_: object) -> None:
    pass
