"""What clients declare, bind and delete: the methods of the classes ``exchange`` and ``queue``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from retrysim.rabbitmq.arguments import check, check_same, shown, unmodelled
from retrysim.rabbitmq.exchanges import TYPES, Exchange, check_binding
from retrysim.rabbitmq.queues import Declaration, Queue
from retrysim.rabbitmq.refusal import Refusal

if TYPE_CHECKING:
    from retrysim.rabbitmq.channel import Channel

_RESERVED = "amq."


def _not_the_default(name: str) -> None:
    if name == "":
        raise Refusal(403, "operation not permitted on the default exchange")


def _not_reserved(kind: str, name: str) -> None:
    if name.startswith(_RESERVED):
        raise Refusal(403, f"{kind} name '{name}' contains reserved prefix 'amq.*'")


# -- exchanges ---------------------------------------------------------------------------------------------------------


def _declare_exchange(
    channel: Channel,
    *,
    exchange: str,
    type: str,  # noqa: A002 - the protocol's name
    passive: bool,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    nowait: bool,
    arguments: dict[str, Any],
) -> None:
    host = channel.host
    _not_the_default(exchange)
    if passive:
        host.exchange(exchange)
    else:
        if type not in TYPES:
            raise Refusal(channel.server.version.unknown_exchange_type, f"invalid exchange type '{type}'")
        declared = Exchange(
            name=exchange, type=type, durable=durable, auto_delete=auto_delete, internal=internal, arguments=arguments
        )
        if exchange in host.exchanges:
            _check_same_exchange(host.name, declared, host.exchanges[exchange])
        else:
            _not_reserved("exchange", exchange)
            host.exchanges[exchange] = declared
    if not nowait:
        channel.send("exchange.declare_ok")


def _check_same_exchange(vhost: str, received: Exchange, current: Exchange) -> None:
    for field in ("type", "durable", "auto_delete", "internal"):
        new, old = getattr(received, field), getattr(current, field)
        if new != old:
            raise Refusal(
                406,
                f"inequivalent arg '{field}' for exchange '{current.name}' in vhost '{vhost}': "
                f"received '{shown(new)}' but current is '{shown(old)}'",
            )
    what = f"exchange '{current.name}'"
    check_same(what, vhost, received.arguments, current.arguments, ("alternate-exchange",))


def _delete_exchange(channel: Channel, *, exchange: str, if_unused: bool, nowait: bool) -> None:
    host = channel.host
    _not_the_default(exchange)
    if exchange.startswith(_RESERVED):
        raise Refusal(403, f"deletion of system exchange '{exchange}' in vhost '{host.name}' not allowed")
    found = host.exchanges.get(exchange)
    if found is not None:
        if if_unused and found.bindings:
            raise Refusal(406, f"exchange '{exchange}' in vhost '{host.name}' in use")
        host.remove_exchange(found)
    if not nowait:
        channel.send("exchange.delete_ok")


def _bind_exchange(
    channel: Channel, *, destination: str, source: str, routing_key: str, nowait: bool, arguments: dict[str, Any]
) -> None:
    _not_the_default(source)
    _not_the_default(destination)
    from_ = channel.host.exchange(source)
    to = channel.host.exchange(destination)
    check_binding(from_, arguments)
    from_.bind(to, routing_key, arguments)
    if not nowait:
        channel.send("exchange.bind_ok")


def _unbind_exchange(
    channel: Channel, *, destination: str, source: str, routing_key: str, nowait: bool, arguments: dict[str, Any]
) -> None:
    _not_the_default(source)
    _not_the_default(destination)
    _unbind(channel, source, channel.host.exchanges.get(destination), routing_key, arguments)
    if not nowait:
        channel.send("exchange.unbind_ok")


def _unbind(
    channel: Channel, source: str, destination: Exchange | Queue | None, key: str, arguments: dict[str, Any]
) -> None:
    exchange = channel.host.exchanges.get(source)
    if exchange is not None and destination is not None:
        binding = exchange.find(destination, key, arguments)
        if binding is not None:
            if isinstance(destination, Queue):
                _not_locked(channel, destination)
            exchange.unbind(binding)
            channel.host.unbound(exchange)


# -- queues ------------------------------------------------------------------------------------------------------------


def queue_named(channel: Channel, name: str) -> Queue:
    """The queue; an empty name is the one that the channel declared last. Raises ``Refusal`` (404, 405)."""
    queue = channel.host.queue(_name(channel, name))
    _not_locked(channel, queue)
    return queue


def _name(channel: Channel, name: str) -> str:
    if name:
        return name
    if channel.last_queue is None:
        raise Refusal(404, "no previously declared queue")
    return channel.last_queue


def _not_locked(channel: Channel, queue: Queue) -> None:
    owner = queue.declaration.owner
    if queue.name in channel.server.locked or (owner is not None and owner is not channel.connection):
        raise _locked(queue.name, channel.host.name)


def _locked(name: str, vhost: str) -> Refusal:
    return Refusal(
        405,
        f"cannot obtain exclusive access to locked queue '{name}' in vhost '{vhost}'. It could be originally declared "
        "on another connection or the exclusive property value does not match that of the original declaration.",
    )


def _declare_queue(
    channel: Channel,
    *,
    queue: str,
    passive: bool,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
    nowait: bool,
    arguments: dict[str, Any],
) -> None:
    if passive:
        found = queue_named(channel, queue)
    else:
        owner = channel.connection if exclusive else None
        if queue not in channel.host.queues:
            _not_reserved("queue", queue)
        declaration = Declaration(
            name=queue or channel.server.invent_name("amq.gen"),
            durable=durable,
            auto_delete=auto_delete,
            owner=owner,
            arguments=arguments,
        )
        found = _declared(channel, declaration)
    found.used()
    channel.last_queue = found.name
    if not nowait:
        channel.send("queue.declare_ok", found.name, found.messages_ready, found.consumer_count)


def _declared(channel: Channel, declaration: Declaration) -> Queue:
    host, server = channel.host, channel.server
    check(declaration.name, host.name, declaration.arguments, server.version)
    found = host.queues.get(declaration.name)
    if found is not None:
        _check_same_queue(channel, declaration, found)
        return found
    _check_properties(host.name, declaration)
    if not (declaration.durable or declaration.owner or server.permit_transient_queues):
        raise Refusal(
            541,
            "Feature `transient_nonexcl_queues` is deprecated.\nBy default, this feature is not permitted anymore.",
        )
    for name in unmodelled(declaration.arguments):
        server.on_unmodelled(name)
    queue = host.queues[declaration.name] = Queue(declaration, host, server)
    return queue


def _check_same_queue(channel: Channel, declaration: Declaration, found: Queue) -> None:
    vhost, current = channel.host.name, found.declaration
    if declaration.owner is not current.owner or found.name in channel.server.locked:
        raise _locked(found.name, vhost)
    for field in ("durable", "auto_delete"):
        new, old = getattr(declaration, field), getattr(current, field)
        if new != old:
            raise Refusal(
                406,
                f"inequivalent arg '{field}' for queue '{found.name}' in vhost '{vhost}': "
                f"received '{shown(new)}' but current is '{shown(old)}'",
            )
    received, known = dict(declaration.arguments), dict(current.arguments)
    if channel.server.version.names_queue_type or received.get("x-queue-type") == "classic":
        received.setdefault("x-queue-type", "classic")
        known.setdefault("x-queue-type", "classic")
    if known.get("x-queue-type") == "classic":
        received.setdefault("x-queue-type", "classic")
    check_same(f"queue '{found.name}'", vhost, received, known)


def _check_properties(vhost: str, declaration: Declaration) -> None:
    """A quorum queue is durable, and neither exclusive nor deletes itself."""
    if declaration.kind == "quorum":
        for wrong, name in (
            (not declaration.durable, "non-durable"),
            (declaration.auto_delete, "auto-delete"),
            (declaration.owner is not None, "exclusive-owner"),
        ):
            if wrong:
                raise Refusal(406, f"invalid property '{name}' for queue '{declaration.name}' in vhost '{vhost}'")


def _bind_queue(
    channel: Channel, *, queue: str, exchange: str, routing_key: str, nowait: bool, arguments: dict[str, Any]
) -> None:
    name = _name(channel, queue)
    key = channel.last_queue if queue == routing_key == "" else routing_key
    _not_the_default(exchange)
    found = channel.host.queue(name)
    _not_locked(channel, found)
    source = channel.host.exchange(exchange)
    check_binding(source, arguments)
    source.bind(found, key or "", arguments)
    if not nowait:
        channel.send("queue.bind_ok")


def _unbind_queue(channel: Channel, *, queue: str, exchange: str, routing_key: str, arguments: dict[str, Any]) -> None:
    name = _name(channel, queue)
    _not_the_default(exchange)
    _unbind(channel, exchange, channel.host.queues.get(name), routing_key, arguments)
    channel.send("queue.unbind_ok")


def _purge(channel: Channel, *, queue: str, nowait: bool) -> None:
    count = queue_named(channel, queue).purge()
    if not nowait:
        channel.send("queue.purge_ok", count)


def _delete_queue(channel: Channel, *, queue: str, if_unused: bool, if_empty: bool, nowait: bool) -> None:
    name = _name(channel, queue)
    found = channel.host.queues.get(name)
    if found is not None:
        _not_locked(channel, found)
        where = f"queue '{name}' in vhost '{channel.host.name}'"
        for flag, asked in (("if-unused", if_unused), ("if-empty", if_empty)):
            if asked and found.is_quorum:
                text = f"queue.delete operations with {flag} flag set are not supported by quorum queues"
                raise Refusal(540, f"cannot delete {where}. {text}")
        if if_empty and found.messages_ready:
            raise Refusal(406, f"{where} not empty")
        if if_unused and len(found.consumers):
            raise Refusal(406, f"{where} in use")
    if not nowait:
        channel.send("queue.delete_ok", 0 if found is None else found.messages_ready)
    if found is not None:  # after the answer: consumers on the same channel are cancelled then
        found.delete("a client deleted it")


HANDLERS: dict[str, Callable[..., None]] = {
    "exchange.declare": _declare_exchange,
    "exchange.delete": _delete_exchange,
    "exchange.bind": _bind_exchange,
    "exchange.unbind": _unbind_exchange,
    "queue.declare": _declare_queue,
    "queue.bind": _bind_queue,
    "queue.unbind": _unbind_queue,
    "queue.purge": _purge,
    "queue.delete": _delete_queue,
}
