"""A queue: messages that are ready, the consumers who take turns, and what limits them (time, length, use)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from retrysim.durations import MILLISECOND
from retrysim.rabbitmq.consumer import Consumer
from retrysim.rabbitmq.message import Entry, Message
from retrysim.rabbitmq.stores import ClassicStore, QuorumStore, Store
from retrysim.rabbitmq.turns import Turns

if TYPE_CHECKING:
    from retrysim.rabbitmq.connection import Connection
    from retrysim.rabbitmq.server import RabbitMQServer, Timer
    from retrysim.rabbitmq.virtual_host import VirtualHost


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a queue was declared as."""

    name: str
    durable: bool
    auto_delete: bool
    arguments: dict[str, Any]
    #: the connection that an exclusive queue belongs to
    owner: Connection | None = None

    @property
    def kind(self) -> str:
        return str(self.arguments.get("x-queue-type", "classic"))


class Queue:
    """A queue of either kind; what differs between them is in its store and in ``put_back``."""

    def __init__(self, declaration: Declaration, host: VirtualHost, server: RabbitMQServer) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.host = host
        self._server = server
        self._arguments = declaration.arguments
        self.is_quorum = declaration.kind == "quorum"
        self._quorum = QuorumStore(server.version) if self.is_quorum else None
        classic = ClassicStore(int(self._arguments.get("x-max-priority", 0)))
        self.ready: Store = classic if self._quorum is None else self._quorum
        self.consumers = Turns(
            single=bool(self._arguments.get("x-single-active-consumer")),
            looks_ahead=self.is_quorum,
            takes_over=self.is_quorum and server.version.single_active_by_priority,
        )
        self.messages_unacknowledged = 0
        #: how many of them were fetched by ``basic.get``
        self.fetched = 0
        self._cancelled: list[Consumer] = []
        self.deleted = False
        self._numbers = 0
        self._ready_bytes = 0
        self._expiry: Timer | None = None
        self._disuse: Timer | None = None
        self.used()

    # -- its arguments -------------------------------------------------------------------------------------------------

    def _number(self, name: str) -> int | None:
        value = self._arguments.get(name)
        return value if isinstance(value, int) else None

    @cached_property
    def ttl_ms(self) -> int | None:
        return self._number("x-message-ttl")

    @cached_property
    def overflow(self) -> str:
        return str(self._arguments.get("x-overflow", "drop-head"))

    @cached_property
    def delivery_limit(self) -> int | None:
        """How many returns a message survives; ``None``: any number."""
        if not self.is_quorum:
            return None
        limit, default = self._number("x-delivery-limit"), self._server.version.delivery_limit
        if limit is None:
            return default
        return None if limit < 0 and default is not None else limit  # before 4.0, each number is a limit

    @cached_property
    def consumer_timeout_ns(self) -> int | None:
        """How long a delivery may stay unacknowledged; ``None``: forever."""
        version = self._server.version
        if version.consumer_timeout_closes == "consumer" and not self.is_quorum:
            return None
        own = self._number("x-consumer-timeout") if version.consumer_timeout_of_queue else None
        return self._server.consumer_timeout_ns if own is None else own * MILLISECOND

    @cached_property
    def dead_letter_exchange(self) -> str | None:
        return self._arguments.get("x-dead-letter-exchange")

    @cached_property
    def dead_letter_key(self) -> str | None:
        return self._arguments.get("x-dead-letter-routing-key")

    @property
    def consumer_count(self) -> int:
        """As the server tells it: a quorum queue counts those who hold a message, too: fetched, or when they left."""
        if not self.is_quorum:
            return len(self.consumers)
        holding = [consumer for consumer in self._cancelled if consumer.unacked]
        return len({(one.channel, one.tag) for one in (*self.consumers, *holding)}) + self.fetched

    # -- messages come -------------------------------------------------------------------------------------------------

    @property
    def messages_ready(self) -> int:
        return len(self.ready)

    def publish(self, message: Message) -> bool:
        """Take a message; ``False`` if the queue is full and refuses more."""
        if self.overflow != "drop-head" and self._exceeds(1, len(message.body)):
            if self.overflow == "reject-publish-dlx":
                self._server.dead_letters.send(self, message, "maxlen", delivery_count=message.delivery_count)
            return False
        entry = self._entry(message)
        consumer = None if len(self.ready) else self.consumers.next()
        if consumer is not None:
            self.ready.put(entry)  # for a moment: a quorum queue with priorities counts what it takes out
            self._hand_over(consumer, self.ready.pop())
            return True
        entry.redelivered = message.delivery_count > 0  # a classic queue looks at it only where it stores the message
        self._add(entry)
        dropped = self._drop_surplus()
        # A classic queue looks for expired messages only where the new one may be the first (rabbit_amqqueue_process):
        # in a queue with priorities one that is put before others is not noticed.
        if self.is_quorum or dropped or len(self.ready) == 1:
            self._look()
        return True

    def _entry(self, message: Message) -> Entry:
        self._numbers += 1
        priority = message.properties.octet("priority")
        return Entry(
            message=message,
            number=self._numbers,
            priority=priority or 0 if self._quorum is None else self._quorum.level(priority),
            expires_ns=self._expires_ns(message),
            redelivered=self.is_quorum and message.delivery_count > 0,
            delivery_count=message.delivery_count,
        )

    def _expires_ns(self, message: Message) -> int | None:
        own = message.properties.expiration
        limits = [ms for ms in (None if own is None else int(own), self.ttl_ms) if ms is not None]
        return self._server.now_ns + min(limits) * MILLISECOND if limits else None

    def _add(self, entry: Entry) -> None:
        self.ready.put(entry)
        self._ready_bytes += len(entry.message.body)

    def _exceeds(self, more: int = 0, more_bytes: int = 0) -> bool:
        length, size = self._number("x-max-length"), self._number("x-max-length-bytes")
        return (length is not None and len(self.ready) + more > length) or (
            size is not None and self._ready_bytes + more_bytes > size
        )

    def _drop_surplus(self) -> bool:
        """Drop what is too much, from the head; whether there was anything."""
        count = len(self.ready)
        while self.overflow == "drop-head" and len(self.ready) and self._exceeds():
            self._die(self._pop(), "maxlen")
        return len(self.ready) < count

    # -- messages go ---------------------------------------------------------------------------------------------------

    def _pop(self) -> Entry:
        entry = self.ready.pop()
        self._ready_bytes -= len(entry.message.body)
        return entry

    def get(self, *, no_ack: bool) -> tuple[Entry | None, int]:
        """The next message, for ``basic.get``, and how many are left.

        A quorum queue counts what expires behind one that is to be acknowledged, as ``rabbit_fifo`` looks only later.
        """
        self.used()
        if self.is_quorum:
            self._drop_expired()
        entry = self._pop() if len(self.ready) else None
        left = len(self.ready)
        self._drop_expired()
        return entry, left if self.is_quorum and not no_ack else len(self.ready)

    def dispatch(self) -> None:
        """Deliver what is ready to those who may have it.

        A quorum queue drops what has expired before. A classic one does so only behind each message that it delivers,
        and delivers an expired one that is first where it has not looked before (``rabbit_amqqueue_process``).
        """
        if self.deleted:
            return
        if self.is_quorum:
            self._drop_expired()
        while len(self.ready) and (consumer := self.consumers.next()) is not None:
            self._hand_over(consumer, self._pop())
            self._drop_expired()

    def _look(self) -> None:
        """Drop what has expired, and deliver the rest."""
        self._drop_expired()
        self.dispatch()

    def _hand_over(self, consumer: Consumer, entry: Entry) -> None:
        consumer.deliver(entry)
        self.consumers.served(consumer)

    def resume(self) -> None:
        """Consumers may have credit again."""
        self.consumers.resume()
        self.dispatch()

    def put_back(self, entries: Iterable[Entry], *, counts: bool, requeued: bool) -> None:
        """Messages that were delivered come back; ``counts``: towards the delivery limit.

        Before 4.3, a quorum queue without a limit appends what a client requeues to its log anew, so behind all others
        (``rabbit_fifo``). What it takes back because the channel is gone comes first, as with a limit.
        """
        if self.deleted:
            return
        unlimited = self.is_quorum and self.delivery_limit is None
        last = requeued and unlimited and self._server.version.appends_requeued
        for entry in entries:
            entry.redelivered = True
            entry.acquired_count += 1
            entry.delivery_count += counts
            if self.delivery_limit is not None and entry.delivery_count > self.delivery_limit:
                self._die(entry, "delivery_limit")
            else:
                if last:
                    self._numbers += 1
                    entry.number = self._numbers
                    self.ready.put(entry)
                else:
                    self.ready.put_back(entry)
                self._ready_bytes += len(entry.message.body)
        self._drop_surplus()
        self._look()

    def reject(self, entry: Entry, *, counts: bool) -> None:
        """A consumer refuses a message for good; ``counts``: as a failed delivery."""
        if not self.deleted:
            entry.delivery_count += counts
            self._die(entry, "rejected")

    def purge(self) -> int:
        """Drop what is ready; how many messages that were."""
        count = len(self.ready)
        for entry in self.ready:
            self._server.dropped(self, entry.message, "purged")
        self.ready.clear()
        self._ready_bytes = 0
        return count

    def keep_persistent(self) -> None:
        """Drop what a restart of the server does not keep: in a classic queue, messages that are not persistent."""
        if self.is_quorum:
            return
        kept = []
        while len(self.ready):
            entry = self._pop()
            if entry.message.persistent:
                kept.append(entry)
            else:
                reason = "the server was restarted, and the message is not persistent"
                self._server.dropped(self, entry.message, reason)
        for entry in kept:
            self._add(entry)

    def _die(self, entry: Entry, reason: str) -> None:
        self._server.dead_letters.send(self, entry.message, reason, delivery_count=entry.delivery_count)

    # -- time ----------------------------------------------------------------------------------------------------------

    def _drop_expired(self) -> None:
        now_ns = self._server.now_ns
        while (entry := next((head for head in self.ready.heads() if _has_expired(head, now_ns)), None)) is not None:
            self.ready.remove(entry)
            self._ready_bytes -= len(entry.message.body)
            self._die(entry, "expired")
        self._watch_expiry()

    def _watch_expiry(self) -> None:
        due = min((head.expires_ns for head in self.ready.heads() if head.expires_ns is not None), default=None)
        if self._expiry is not None:
            if self._expiry.due_ns == due and not self._expiry.over:
                return
            self._expiry.cancel()
        self._expiry = None
        if due is not None:
            background = self.dead_letter_exchange is None
            self._expiry = self._server.call_at(due, self._look, background=background)

    def used(self) -> None:
        """Somebody declared it, took from it, or stopped consuming: ``x-expires`` begins anew."""
        unused_ms = self._number("x-expires")
        if self._disuse is not None:
            self._disuse.cancel()
        if unused_ms is not None and not len(self.consumers):
            due_ns = self._server.now_ns + unused_ms * MILLISECOND
            self._disuse = self._server.call_at(due_ns, self._expire, background=True)

    def _expire(self) -> None:
        if not len(self.consumers):
            self.delete("expired")

    # -- consumers -----------------------------------------------------------------------------------------------------

    def add_consumer(self, consumer: Consumer) -> None:
        """One more; among those of a priority the last."""
        self.consumers.add(consumer)
        if self._disuse is not None:
            self._disuse.cancel()

    def remove_consumer(self, consumer: Consumer) -> None:
        """One has cancelled."""
        self.consumers.remove(consumer)
        self._cancelled = [one for one in (*self._cancelled, consumer) if one.unacked]
        self.dispatch()  # with a single active consumer it is the next one's turn
        self.consumer_left()

    def consumer_left(self) -> None:
        """One less; a queue that deletes itself goes with the last."""
        if not len(self.consumers):
            self.used()
            if self.declaration.auto_delete:
                self.delete("its last consumer is gone")

    # -- the end -------------------------------------------------------------------------------------------------------

    def delete(self, why: str) -> None:
        """Delete it with all that is in it, and cancel its consumers."""
        self.deleted = True
        for timer in (self._expiry, self._disuse):
            if timer is not None:
                timer.cancel()
        del self.host.queues[self.name]
        self.host.unbind_all(self)
        for entry in self.ready:
            self._server.dropped(self, entry.message, f"the queue was deleted: {why}")
        for consumer in list(self.consumers):
            self.consumers.remove(consumer)
            consumer.channel.cancelled_by_server(consumer)


def _has_expired(entry: Entry, now_ns: int) -> bool:
    return entry.expires_ns is not None and entry.expires_ns <= now_ns
