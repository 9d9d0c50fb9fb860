"""How messages are taken: the methods of the class ``basic`` but for publishing, and ``channel.flow``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from retrysim.rabbitmq.consumer import Consumer
from retrysim.rabbitmq.declarations import queue_named
from retrysim.rabbitmq.message import Entry
from retrysim.rabbitmq.methods import encode
from retrysim.rabbitmq.refusal import Refusal

if TYPE_CHECKING:
    from retrysim.rabbitmq.channel import Channel, Delivery
    from retrysim.rabbitmq.queues import Queue


def properties_of(channel: Channel, queue: Queue, entry: Entry, *, fetched: bool = False) -> bytes:
    """The properties as they are delivered: a quorum queue tells how often it has returned the message."""
    if not queue.is_quorum:
        return entry.message.properties.raw
    version, headers = channel.server.version, {}
    acquired_count = entry.acquired_count or entry.delivery_count
    if acquired_count and version.acquired_count:
        headers["x-acquired-count"] = acquired_count
    if entry.delivery_count or (version.tells_zero_deliveries and fetched):
        headers["x-delivery-count"] = entry.delivery_count
    if not headers:
        return entry.message.properties.raw
    return entry.message.properties.replaced(headers=entry.message.properties.headers | headers).raw


def _qos(channel: Channel, *, prefetch_size: int, prefetch_count: int, global_: bool) -> None:
    if prefetch_size:
        raise Refusal(540, f"prefetch_size!=0 ({prefetch_size})")
    if global_ and channel.server.version.global_qos:
        channel.limit(prefetch_count)
    else:
        channel.prefetch = prefetch_count
        channel.limit(0)  # RabbitMQ takes it for the end of the other limit
    channel.send("basic.qos_ok")
    channel.resume()


def _consume(
    channel: Channel,
    *,
    queue: str,
    consumer_tag: str,
    no_local: bool,
    no_ack: bool,
    exclusive: bool,
    nowait: bool,
    arguments: dict[str, Any],
) -> None:
    if consumer_tag in channel.consumers:
        raise Refusal(530, f"attempt to reuse consumer tag '{consumer_tag}'")
    found = queue_named(channel, queue)
    where = f"queue '{found.name}' in vhost '{channel.host.name}'"
    taken = found.consumers.exclusive or (exclusive and (len(found.consumers) or found.consumers.single))
    if taken and not found.is_quorum:
        raise Refusal(403, f"{where} in exclusive use")
    if found.is_quorum and channel.global_prefetch:
        raise Refusal(540, f"{where} does not support global qos")
    consumer = Consumer(
        tag=consumer_tag or channel.server.invent_name("amq.ctag"),
        number=next(channel.subscriptions),
        channel=channel,
        queue=found,
        no_ack=no_ack,
        exclusive=exclusive,
        prefetch=channel.consumer_prefetch(found),
        arguments=arguments,
    )
    channel.consumers[consumer.tag] = consumer
    if not nowait:
        channel.send("basic.consume_ok", consumer.tag)
    found.add_consumer(consumer)
    found.dispatch()


def _cancel(channel: Channel, *, consumer_tag: str, nowait: bool) -> None:
    consumer = channel.consumers.pop(consumer_tag, None)
    if not nowait:
        channel.send("basic.cancel_ok", consumer_tag)
    if consumer is not None:
        consumer.queue.remove_consumer(consumer)


def _get(channel: Channel, *, queue: str, no_ack: bool) -> None:
    found = queue_named(channel, queue)
    entry, left = found.get(no_ack=no_ack)
    if entry is None:
        channel.send("basic.get_empty", "")
        return
    tag = channel.note(entry, found, None, no_ack=no_ack)
    message = entry.message
    method = encode("basic.get_ok", tag, entry.redelivered, message.exchange, message.routing_key, left)
    channel.connection.send_content(
        channel.number, method, properties_of(channel, found, entry, fetched=True), message.body
    )


# -- acknowledgements --------------------------------------------------------------------------------------------------


def _ack(channel: Channel, *, delivery_tag: int, multiple: bool) -> None:
    deliveries = channel.settle(delivery_tag, multiple=multiple)
    channel.publisher.settle(deliveries, acknowledge)


def _nack(channel: Channel, *, delivery_tag: int, multiple: bool, requeue: bool) -> None:
    deliveries = channel.settle(delivery_tag, multiple=multiple)
    channel.publisher.settle(deliveries, _return_by_nack if requeue else _refuse_by_nack)


def _reject(channel: Channel, *, delivery_tag: int, requeue: bool) -> None:
    deliveries = channel.settle(delivery_tag, multiple=False)
    channel.publisher.settle(deliveries, _return if requeue else _refuse)


def acknowledge(channel: Channel, deliveries: list[Delivery]) -> None:
    """The messages are done with."""
    for _ in channel.by_consumer(deliveries):
        pass


def _return(channel: Channel, deliveries: list[Delivery], *, counts: bool = True) -> None:
    for queue, entries in channel.by_consumer(deliveries):
        queue.put_back(entries, counts=counts, requeued=True)


def _return_by_nack(channel: Channel, deliveries: list[Delivery]) -> None:
    _return(channel, deliveries, counts=channel.server.version.nack_counts)


def _refuse(channel: Channel, deliveries: list[Delivery], *, counts: bool = True) -> None:
    for queue, entries in channel.by_consumer(deliveries):
        for entry in entries:
            queue.reject(entry, counts=counts)


def _refuse_by_nack(channel: Channel, deliveries: list[Delivery]) -> None:
    _refuse(channel, deliveries, counts=channel.server.version.nack_counts)


def _recover(channel: Channel, *, requeue: bool) -> None:
    _recover_async(channel, requeue=requeue)
    channel.send("basic.recover_ok")


def _recover_async(channel: Channel, *, requeue: bool) -> None:
    if not requeue:
        raise Refusal(540, "requeue=false")
    _return_by_nack(channel, channel.settle(0, multiple=True))


def _flow(channel: Channel, *, active: bool) -> None:
    if not active:
        raise Refusal(540, "active=false")
    channel.send("channel.flow_ok", True)


def _request_access(channel: Channel) -> None:
    channel.send("access.request_ok", 1)


def _flow_ok(channel: Channel, *, active: bool) -> None:
    pass


HANDLERS: dict[str, Callable[..., None]] = {
    "basic.qos": _qos,
    "basic.consume": _consume,
    "basic.cancel": _cancel,
    "basic.get": _get,
    "basic.ack": _ack,
    "basic.nack": _nack,
    "basic.reject": _reject,
    "basic.recover": _recover,
    "basic.recover_async": _recover_async,
    "access.request": _request_access,
    "channel.flow": _flow,
    "channel.flow_ok": _flow_ok,
}
