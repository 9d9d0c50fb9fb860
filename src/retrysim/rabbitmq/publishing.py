"""How messages come: ``basic.publish``, publisher confirms, returns, and transactions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrysim.rabbitmq.arguments import MAX_MS
from retrysim.rabbitmq.exchanges import Exchange
from retrysim.rabbitmq.message import Message
from retrysim.rabbitmq.methods import encode
from retrysim.rabbitmq.refusal import Refusal

if TYPE_CHECKING:
    from retrysim.rabbitmq.channel import Channel, Delivery

Settlement = Callable[["Channel", list["Delivery"]], None]


@dataclass(slots=True, kw_only=True)
class Publication:
    """A message that is under way."""

    exchange: Exchange
    routing_key: str
    mandatory: bool
    #: how long the body is, once the header has come
    size: int | None = None
    properties: bytes = b""
    parts: list[bytes] = field(default_factory=list)

    def missing(self) -> int:
        """How many bytes of the body have not come; more than none before its header has."""
        return 1 if self.size is None else self.size - sum(map(len, self.parts))


class Publisher:
    """The publishing side of a channel: plain, with confirms, or in transactions."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.confirms = False
        self.in_transaction = False
        self._confirmed = 0
        self._pending: list[Callable[[], object]] = []
        self._unsettled: list[Delivery] = []

    def publish(self, publication: Publication) -> None:
        """A message is complete. Raises ``Refusal`` for one that RabbitMQ does not take."""
        exchange = publication.exchange
        message = Message.published(
            exchange.name, publication.routing_key, publication.properties, b"".join(publication.parts)
        )
        _check(self._channel, message)
        if self.in_transaction:
            self._pending.append(lambda: self._route(message, exchange, mandatory=publication.mandatory))
            return
        accepted = self._route(message, exchange, mandatory=publication.mandatory)
        if self.confirms:
            self._confirmed += 1
            if accepted:
                self._channel.send("basic.ack", self._confirmed, False)
            else:
                self._channel.send("basic.nack", self._confirmed, False, False)

    def _route(self, message: Message, exchange: Exchange, *, mandatory: bool) -> bool:
        channel = self._channel
        queues = channel.host.route(message, exchange)
        if not queues:
            if mandatory:
                method = encode("basic.return", 312, "NO_ROUTE", message.exchange, message.routing_key)
                connection = channel.connection
                connection.send_content(channel.number, method, message.properties.raw, message.body)
            else:
                channel.server.dropped(None, message, "unroutable")
        put, connection = channel.server.put, channel.connection
        refused = sum(not put(queue, message, connection) for queue in queues)
        return refused == 0

    # -- transactions --------------------------------------------------------------------------------------------------

    def settle(self, deliveries: list[Delivery], settlement: Settlement) -> None:
        """Acknowledge or return deliveries: now, or when the transaction is committed."""
        if self.in_transaction:
            self._unsettled += deliveries
            self._pending.append(lambda: settlement(self._channel, deliveries))
        else:
            settlement(self._channel, deliveries)

    def commit(self) -> None:
        self._must_be_in_transaction()
        pending, self._pending = self._pending, []
        self._unsettled = []
        for act in pending:
            act()

    def rollback(self) -> None:
        self._must_be_in_transaction()
        self.forget()

    def forget(self) -> None:
        """What was not committed never was."""
        self._pending = []
        unsettled, self._unsettled = self._unsettled, []
        self._channel.restore(unsettled)

    def _must_be_in_transaction(self) -> None:
        if not self.in_transaction:
            raise Refusal(406, "channel is not transactional")


def _check(channel: Channel, message: Message) -> None:
    expiration = message.properties.expiration
    if expiration is not None:
        error = _expiration_error(expiration)
        if error is not None:
            raise Refusal(406, f"invalid expiration '{expiration}': {error}")
    user = message.properties.text("user_id")
    if user is not None and user != channel.connection.user:
        raise Refusal(406, f"user_id property set to '{user}' but authenticated user was '{channel.connection.user}'")


def _expiration_error(expiration: str) -> str | None:
    digits = expiration.lstrip("+-")
    number = len(digits) - len(digits.lstrip("0123456789"))
    if not number or len(expiration) - len(digits) > 1:
        return "no_integer"
    if number < len(digits):
        return f'{{leftover_string,"{digits[number:]}"}}'
    value = int(expiration)
    if value < 0:
        return f"{{value_negative,{value}}}"
    return f"{{value_too_large,{value}}}" if value > MAX_MS else None


# -- methods -----------------------------------------------------------------------------------------------------------


def _publish(channel: Channel, *, exchange: str, routing_key: str, mandatory: bool, immediate: bool) -> None:
    if immediate:
        raise Refusal(540, "immediate=true")
    found = channel.host.exchange(exchange)
    if found.internal:
        raise Refusal(403, f"cannot publish to internal exchange '{exchange}' in vhost '{channel.host.name}'")
    channel.begin_publication(Publication(exchange=found, routing_key=routing_key, mandatory=mandatory))


def _confirm_select(channel: Channel, *, nowait: bool) -> None:
    if channel.publisher.in_transaction:
        raise Refusal(406, "cannot switch from tx to confirm mode")
    channel.publisher.confirms = True
    if not nowait:
        channel.send("confirm.select_ok")


def _tx_select(channel: Channel) -> None:
    if channel.publisher.confirms:
        raise Refusal(406, "cannot switch from confirm to tx mode")
    channel.publisher.in_transaction = True
    channel.send("tx.select_ok")


def _tx_commit(channel: Channel) -> None:
    channel.publisher.commit()
    channel.send("tx.commit_ok")


def _tx_rollback(channel: Channel) -> None:
    channel.publisher.rollback()
    channel.send("tx.rollback_ok")


HANDLERS: dict[str, Callable[..., None]] = {
    "basic.publish": _publish,
    "confirm.select": _confirm_select,
    "tx.select": _tx_select,
    "tx.commit": _tx_commit,
    "tx.rollback": _tx_rollback,
}
