"""A consumer of a queue: how much it may have at once, and whether it may have more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrysim.rabbitmq.channel import Channel
    from retrysim.rabbitmq.message import Entry
    from retrysim.rabbitmq.queues import Queue


@dataclass(slots=True, kw_only=True, eq=False)
class Consumer:
    """What ``basic.consume`` made."""

    tag: str
    #: how many there were before it on its channel
    number: int
    channel: Channel
    queue: Queue
    no_ack: bool
    exclusive: bool
    #: how many deliveries it may have unacknowledged; 0 is any number
    prefetch: int
    arguments: dict[str, Any]
    unacked: int = 0
    #: the tag as it is sent with each delivery
    encoded_tag: bytes = b""

    def __post_init__(self) -> None:
        self.encoded_tag = self.tag.encode()

    @property
    def priority(self) -> int:
        value = self.arguments.get("x-priority", 0)
        return value if isinstance(value, int) else 0

    @property
    def has_credit(self) -> bool:
        """Whether another message may be delivered to it.

        One that does not acknowledge has no limit of its own, but waits with the others when their channel is full.
        Quorum queues do not look at the limit of the channel.
        """
        full = self.prefetch and not self.no_ack and self.unacked >= self.prefetch
        return not full and (self.queue.is_quorum or self.channel.has_credit)

    def deliver(self, entry: Entry) -> None:
        self.channel.deliver(self, entry)
