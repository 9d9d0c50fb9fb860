"""A virtual host: its exchanges and queues by name, and the way of a message through them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from retrysim.rabbitmq.exchanges import Exchange
from retrysim.rabbitmq.refusal import not_found

if TYPE_CHECKING:
    from retrysim.rabbitmq.message import Message
    from retrysim.rabbitmq.queues import Queue

_PREDECLARED = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}


class VirtualHost:
    """What is declared in one virtual host."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exchanges = {"": Exchange(name="", type="direct")}
        self.exchanges |= {name: Exchange(name=name, type=kind) for name, kind in _PREDECLARED.items()}
        self.exchanges["amq.rabbitmq.trace"] = Exchange(name="amq.rabbitmq.trace", type="topic", internal=True)
        self.queues: dict[str, Queue] = {}

    def exchange(self, name: str) -> Exchange:
        """Raises ``Refusal`` (404) for one that there is not."""
        if name not in self.exchanges:
            raise not_found("exchange", name, self.name)
        return self.exchanges[name]

    def queue(self, name: str) -> Queue:
        """Raises ``Refusal`` (404) for one that there is not."""
        if name not in self.queues:
            raise not_found("queue", name, self.name)
        return self.queues[name]

    def route(self, message: Message, exchange: Exchange) -> list[Queue]:
        """The queues that a message published to an exchange reaches, each once."""
        queues: dict[Queue, None] = {}
        seen = {exchange}
        pending = [exchange]
        while pending:
            current = pending.pop(0)
            for found in self._next(message, current):
                if not isinstance(found, Exchange):
                    queues[found] = None
                elif found not in seen:
                    seen.add(found)
                    pending.append(found)
        return list(queues)

    def _next(self, message: Message, exchange: Exchange) -> Iterable[Exchange | Queue]:
        if exchange.name == "":
            found: list[Exchange | Queue] = [self.queues[key] for key in message.keys if key in self.queues]
        else:
            found = list(exchange.matching(message, message.keys))
        if not found and exchange.alternate in self.exchanges:
            return [self.exchanges[exchange.alternate]]
        return found

    def remove_exchange(self, exchange: Exchange) -> None:
        del self.exchanges[exchange.name]
        exchange.bindings.clear()
        self.unbind_all(exchange)

    def unbind_all(self, destination: Exchange | Queue) -> None:
        """Remove what leads to a destination that is gone, and the exchanges that delete themselves after that."""
        for exchange in list(self.exchanges.values()):
            leading = [binding for binding in exchange.bindings if binding.destination is destination]
            for binding in leading:
                exchange.unbind(binding)
            if leading:
                self.unbound(exchange)

    def unbound(self, exchange: Exchange) -> None:
        """An exchange lost a binding."""
        if exchange.auto_delete and not exchange.bindings and exchange.name in self.exchanges:
            self.remove_exchange(exchange)
