"""A channel: what it delivered and nobody acknowledged, what is being published, and who handles a method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from retrysim.durations import MINUTE
from retrysim.rabbitmq import basic, declarations, publishing
from retrysim.rabbitmq.consumer import Consumer
from retrysim.rabbitmq.framing import HEADER, content_header
from retrysim.rabbitmq.message import Entry
from retrysim.rabbitmq.methods import Method, encode_deliver
from retrysim.rabbitmq.publishing import Publication
from retrysim.rabbitmq.refusal import Refusal

if TYPE_CHECKING:
    from retrysim.rabbitmq.connection import Connection
    from retrysim.rabbitmq.queues import Queue
    from retrysim.rabbitmq.server import Timer
    from retrysim.rabbitmq.virtual_host import VirtualHost

#: How often a channel looks whether a delivery has been unacknowledged for too long (rabbit_channel's tick); a queue
#: that cancels the consumer does so to the millisecond.
_TICK_NS = MINUTE
#: The prefetch of a quorum queue's consumer that names none.
_UNLIMITED_QUORUM = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that a client has and did not acknowledge."""

    tag: int
    entry: Entry
    queue: Queue
    #: ``None``: it was fetched by ``basic.get``
    consumer: Consumer | None
    at_ns: int


class Channel:
    """One channel of a connection. Its methods are handled in ``declarations``, ``basic`` and ``publishing``."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection = connection
        self.server = connection.server
        self.number = number
        self.consumers: dict[str, Consumer] = {}
        self.subscriptions = count()
        self.unacked: dict[int, Delivery] = {}
        #: the prefetch that new consumers get, and the one of the whole channel
        self.prefetch = 0
        self.global_prefetch = 0
        #: what counts towards it (``volume`` in rabbit_limiter)
        self._volume = 0
        #: the queue that an empty name stands for
        self.last_queue: str | None = None
        self.publisher = publishing.Publisher(self)
        #: whether it was closed with an error and the client has not answered yet
        self.closing = False
        self.last_signature = (0, 0)
        self._tags = 0
        self._publication: Publication | None = None
        self._opened_ns = self.server.now_ns
        self._timeout: Timer | None = None

    @property
    def host(self) -> VirtualHost:
        assert self.connection.vhost is not None
        return self.connection.vhost

    def send(self, name: str, *values: Any) -> None:
        self.connection.send(self.number, name, *values)

    # -- what comes ----------------------------------------------------------------------------------------------------

    def handle(self, method: Method, arguments: dict[str, Any]) -> None:
        """Raises ``Refusal`` for what RabbitMQ refuses."""
        if method.name == "channel.close_ok":
            self.connection.channels.pop(self.number, None)
        elif method.name == "channel.close":
            self._close()
        elif not self.closing:
            if self._publication is not None:
                raise Refusal(505, "expected content header for class 60, got non content header frame instead")
            self.last_signature = method.signature
            handler = _HANDLERS.get(method.name)
            if handler is None:
                raise Refusal(503, f"unexpected method {method.name}")
            handler(self, **arguments)

    def begin_publication(self, publication: Publication) -> None:
        """A message is announced; its header and body follow."""
        self._publication = publication

    def take_content(self, kind: int, payload: bytes) -> None:
        """A content header, or a part of a body."""
        if self.closing:
            return
        publication = self._publication
        if publication is None:
            raise Refusal(505, "expected method frame, got non method frame instead")
        if kind == HEADER:
            if publication.size is not None:
                raise Refusal(505, "expected content body, got non content body frame instead")
            publication.size, publication.properties = content_header(payload)
        else:
            if publication.size is None:
                raise Refusal(505, "expected content header for class 60, got non content header frame instead")
            publication.parts.append(payload)
        missing = publication.missing()
        if missing < 0:
            raise Refusal(501, "a body that is longer than its header says")
        if missing == 0:
            self._publication = None
            self.publisher.publish(publication)
            self.connection.published()

    # -- deliveries ----------------------------------------------------------------------------------------------------

    @property
    def has_credit(self) -> bool:
        """Whether the limit of the whole channel lets one more be delivered."""
        return not self.global_prefetch or self._volume < self.global_prefetch

    def limit(self, prefetch: int) -> None:
        """Limit the whole channel. All that is unacknowledged counts then, also what ``basic.get`` fetched; later only
        what consumers got.
        """
        if not self.global_prefetch:
            self._volume = len(self.unacked)
        self.global_prefetch = prefetch

    def consumer_prefetch(self, queue: Queue) -> int:
        """The prefetch of a new consumer of a queue."""
        return self.prefetch or (_UNLIMITED_QUORUM if queue.is_quorum else 0)

    def deliver(self, consumer: Consumer, entry: Entry) -> None:
        """Send a message to a consumer."""
        tag = self.note(entry, consumer.queue, consumer, no_ack=consumer.no_ack)
        message = entry.message
        method = encode_deliver(
            consumer.encoded_tag,
            tag,
            redelivered=entry.redelivered,
            exchange=message.exchange,
            routing_key=message.routing_key,
        )
        self.connection.send_content(
            self.number, method, basic.properties_of(self, consumer.queue, entry), message.body
        )

    def note(self, entry: Entry, queue: Queue, consumer: Consumer | None, *, no_ack: bool) -> int:
        """A message leaves on this channel; returns its delivery tag."""
        self._tags += 1
        if not no_ack:
            at_ns = self.server.now_ns
            self.unacked[self._tags] = Delivery(
                tag=self._tags, entry=entry, queue=queue, consumer=consumer, at_ns=at_ns
            )
            _count(queue, consumer, 1)
            if consumer is not None and not queue.is_quorum:  # whose deliveries nobody asks the limiter for
                self._volume += 1
            self._watch_timeout()
        return self._tags

    def settle(self, tag: int, *, multiple: bool) -> list[Delivery]:
        """Take deliveries off the list, oldest first, for ``by_consumer``.

        Raises ``Refusal`` (406) for a tag that is not on it.
        """
        if tag not in self.unacked and not (multiple and tag == 0):
            raise Refusal(406, f"unknown delivery tag {tag}")
        tags = sorted(known for known in self.unacked if tag == 0 or known <= tag) if multiple else [tag]
        return [self.unacked.pop(one) for one in tags]

    def restore(self, deliveries: list[Delivery]) -> None:
        """Put deliveries back on the list: their acknowledgement was rolled back."""
        for delivery in deliveries:
            self.unacked[delivery.tag] = delivery

    def by_consumer(self, deliveries: list[Delivery]) -> Iterator[tuple[Queue, list[Entry]]]:
        """What was settled: a queue is notified of one consumer's after the other's, and may deliver in between.

        Last, the limiter of the channel is notified of all (``rabbit_channel``).
        """
        groups: dict[tuple[str, bytes], list[Delivery]] = {}
        for delivery in deliveries:
            groups.setdefault((delivery.queue.name, _tag_of(delivery)), []).append(delivery)
        for _, group in sorted(groups.items(), key=itemgetter(0)):
            queue = group[0].queue
            for delivery in group:
                _count(queue, delivery.consumer, -1)
            queue.consumers.resume()
            yield queue, [delivery.entry for delivery in group]
            queue.resume()
        self._volume = max(0, self._volume - sum(delivery.consumer is not None for delivery in deliveries))
        if self.global_prefetch:
            self.resume()

    def resume(self) -> None:
        """Some credit is free: let the queues of its consumers look."""
        for queue in dict.fromkeys(consumer.queue for consumer in self.consumers.values()):
            queue.resume()

    def _take_off(self, tag: int) -> Delivery:
        delivery = self.unacked.pop(tag)
        _count(delivery.queue, delivery.consumer, -1)
        if delivery.consumer is not None:
            self._volume = max(0, self._volume - 1)
        return delivery

    # -- consumers -----------------------------------------------------------------------------------------------------

    def cancelled_by_server(self, consumer: Consumer) -> None:
        """Its queue is gone, or took the consumer off."""
        self.consumers.pop(consumer.tag, None)
        if self.connection.notifies("consumer_cancel_notify"):
            self.send("basic.cancel", consumer.tag, True)

    # -- deliveries that take too long ---------------------------------------------------------------------------------

    def _watch_timeout(self) -> None:
        if self._timeout is None or self._timeout.over:
            due = [d.at_ns + limit for d in self.unacked.values() if (limit := d.queue.consumer_timeout_ns) is not None]
            if due:
                at_ns = self._next_tick_ns(min(due)) if self._closes_when_late else min(due)
                self._timeout = self.server.call_at(at_ns, self._look_at_timeout, background=True)

    @property
    def _closes_when_late(self) -> bool:
        return self.server.version.consumer_timeout_closes == "channel"

    def _next_tick_ns(self, after_ns: int) -> int:
        ticks = (after_ns - self._opened_ns) // _TICK_NS + 1
        return self._opened_ns + ticks * _TICK_NS

    def _look_at_timeout(self) -> None:
        late = [tag for tag, delivery in self.unacked.items() if self._is_late(delivery)]
        if late and self._closes_when_late:
            limit_ms = (self.unacked[late[0]].queue.consumer_timeout_ns or 0) // 1_000_000
            text = (
                f"delivery acknowledgement on channel {self.number} timed out. Timeout value used: {limit_ms} ms. "
                "This timeout value can be configured, see consumers doc guide to learn more"
            )
            self.refuse(Refusal(406, text), (0, 0))
            return
        for tag in late:
            self._give_up_consumer(tag)
        self._watch_timeout()

    def _is_late(self, delivery: Delivery) -> bool:
        limit = delivery.queue.consumer_timeout_ns
        return limit is not None and delivery.at_ns + limit <= self.server.now_ns

    def _give_up_consumer(self, tag: int) -> None:
        delivery = self._take_off(tag)
        consumer = delivery.consumer
        if consumer is not None and consumer.tag in self.consumers:
            consumer.queue.remove_consumer(consumer)
            self.cancelled_by_server(consumer)
        delivery.queue.put_back([delivery.entry], counts=False, requeued=False)  # as 4.3.6 does: no failed delivery

    # -- the end -------------------------------------------------------------------------------------------------------

    def refuse(self, refusal: Refusal, signature: tuple[int, int]) -> None:
        """Close it with an error; what comes before the client's answer is not looked at."""
        if not self.closing:
            self.closing = True
            self.release()
            self.send("channel.close", refusal.code, refusal.reply_text[:255], *signature)

    def _close(self) -> None:
        self.release()
        self.send("channel.close_ok")
        self.connection.channels.pop(self.number, None)

    def release(self) -> None:
        """Give back what it had."""
        release([self])

    def fail(self) -> None:
        """An error ends it and its connection. Before, it tells its classic queues, not the others (rabbit_channel)."""
        release([self], [queue for queue in self.queues() if not queue.is_quorum])

    def end(self) -> None:
        """What it was about to do is not done."""
        if self._timeout is not None:
            self._timeout.cancel()
        self.publisher.forget()

    def queues(self) -> Iterator[Queue]:
        """Those that it consumes from or has deliveries of."""
        yield from (consumer.queue for consumer in self.consumers.values())
        yield from (delivery.queue for delivery in self.unacked.values())

    def leave(self, queue: Queue) -> tuple[list[Consumer], list[Delivery]]:
        """Take its consumers off a queue; what it had of it, in the order in which the queue takes it back."""
        consumers = [consumer for consumer in self.consumers.values() if consumer.queue is queue]
        for consumer in consumers:
            del self.consumers[consumer.tag]
            queue.consumers.remove(consumer)
        tags = sorted(tag for tag, delivery in self.unacked.items() if delivery.queue is queue)
        return consumers, sorted((self._take_off(tag) for tag in tags), key=self._place_of_return)

    def _place_of_return(self, delivery: Delivery) -> tuple[bool, int] | bytes:
        """A quorum queue takes back consumer by consumer what a channel had that is gone (``rabbit_fifo``)."""
        consumer = delivery.consumer
        if self.server.version.returns_by_subscription:
            return (True, 0) if consumer is None else (False, consumer.number)
        return _tag_of(delivery)


def _tag_of(delivery: Delivery) -> bytes:
    return b"" if delivery.consumer is None else delivery.consumer.encoded_tag


def _count(queue: Queue, consumer: Consumer | None, change: int) -> None:
    queue.messages_unacknowledged += change
    if consumer is None:
        queue.fetched += change
    else:
        consumer.unacked += change


def release(channels: list[Channel], told: list[Queue] | None = None) -> None:
    """Give back what channels had that are gone together: none of them gets what another one returns to a queue.

    The queues (``told``: only these) are notified one after the other. A consumer of one whose turn has not come may
    get a dead letter of another.
    """
    if not channels:
        return
    for channel in channels:
        channel.end()
    queues = told if told is not None else [queue for channel in channels for queue in channel.queues()]
    server = channels[0].server
    for queue, gone in server.order_of_ends(channels, list(dict.fromkeys(queues))):
        left = [(channel, *channel.leave(queue)) for channel in gone]
        for _, _, deliveries in left:
            queue.consumers.resume()
            queue.put_back([delivery.entry for delivery in deliveries], counts=True, requeued=False)
        for consumer in (consumer for _, consumers, _ in left for consumer in consumers):
            if not consumer.queue.deleted:
                consumer.queue.consumer_left()
        server.dead_letters.arrive()


_HANDLERS = {**declarations.HANDLERS, **basic.HANDLERS, **publishing.HANDLERS}
