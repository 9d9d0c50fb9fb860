"""Dead letters: where a message goes that dies in a queue, and what its headers tell of it."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any

from retrysim.clock import to_datetime
from retrysim.rabbitmq.message import Message

if TYPE_CHECKING:
    from retrysim.rabbitmq.queues import Queue
    from retrysim.rabbitmq.server import RabbitMQServer

#: Headers whose keys a message with a dead letter key of the queue's own loses.
_KEYS = ("CC",)


class DeadLetters:
    """Publishes dead messages to the exchange of their queue; drops those that would go in circles.

    A queue sends a letter on its way and goes on. So a message that is published to several queues is in all of them
    before what one of them drops for it arrives anywhere.
    """

    def __init__(self, server: RabbitMQServer) -> None:
        self._server = server
        self._under_way: deque[tuple[Queue, Message]] = deque()

    def send(self, queue: Queue, message: Message, reason: str, *, delivery_count: int) -> None:
        """A message died in a queue: ``expired``, ``rejected``, ``maxlen`` or ``delivery_limit``."""
        target = queue.dead_letter_exchange
        if target is None or target not in queue.host.exchanges:
            self._server.dropped(queue, message, reason)
            return
        deaths = _with(self._deaths(message), self._death(queue, message, reason))
        letter = self._letter(queue, message, reason, deaths)
        letter.delivery_count = delivery_count if self._server.version.keeps_delivery_count else 0
        routed = queue.host.route(letter, queue.host.exchanges[target])
        reached = [other for other in routed if not is_cycle(reason, other.name, deaths)]
        if not reached:
            why = "a dead letter in a circle" if routed else f"no queue is bound to {target!r}"
            self._server.dropped(queue, message, f"{reason}; {why}")
        self._under_way += ((other, letter) for other in reached)
        if reached:
            self._server.dead_lettered(queue, letter, reason, reached)

    def arrive(self) -> None:
        """Let what is under way reach its queues."""
        while self._under_way:
            queue, letter = self._under_way.popleft()
            if not queue.deleted:
                queue.publish(letter)

    def _deaths(self, message: Message) -> list[dict[str, Any]]:
        if not self._server.version.reads_deaths_of_clients:
            return message.deaths
        told = message.properties.headers.get("x-death") if message.properties.has_header(b"x-death") else None
        return [death for death in told if isinstance(death, dict)] if isinstance(told, list) else []

    def _death(self, queue: Queue, message: Message, reason: str) -> dict[str, Any]:
        death: dict[str, Any] = {
            "count": 1,
            "reason": reason,
            "queue": queue.name,
            "time": self._now(),
            "exchange": message.exchange,
            "routing-keys": list(message.keys),
        }
        expiration = message.properties.expiration
        return death if expiration is None else death | {"original-expiration": expiration}

    def _now(self) -> datetime:
        return to_datetime(self._server.now_ns).replace(microsecond=0, tzinfo=None)

    def _letter(self, queue: Queue, message: Message, reason: str, deaths: list[dict[str, Any]]) -> Message:
        headers = message.properties.headers
        key = queue.dead_letter_key
        if key is not None:
            for name in _KEYS:
                headers.pop(name, None)
        told = {"reason": reason, "queue": queue.name, "exchange": message.exchange}
        headers["x-death"] = deaths
        for part, value in told.items():
            headers.setdefault(f"x-first-death-{part}", value)
            if self._server.version.tells_last_death:
                headers[f"x-last-death-{part}"] = value
        return Message(
            exchange=str(queue.dead_letter_exchange),
            routing_key=message.routing_key if key is None else key,
            keys=message.keys if key is None else (key,),
            properties=message.properties.replaced(headers=headers, without="expiration"),
            body=message.body,
            deaths=deaths,
        )


def _with(deaths: list[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """The deaths with one more, newest first: one of the same queue and reason is counted up."""
    same = [d for d in deaths if (d.get("queue"), d.get("reason")) == (new["queue"], new["reason"])]
    others = [d for d in deaths if d not in same]
    first = same[0] | {"count": same[0].get("count", 0) + 1} if same else new
    return [first, *others]


def is_cycle(reason: str, queue: str, deaths: list[dict[str, Any]]) -> bool:
    """Whether a message has died in this queue before, and nobody rejected it since."""
    if reason == "rejected":
        return False
    for position, death in enumerate(deaths):
        if death.get("queue") == queue:
            return all(d.get("reason") != "rejected" for d in deaths[: position + 1])
    return False
