"""What differs between versions of RabbitMQ, as data.

Sources: the release notes of 3.11 to 4.3 in rabbitmq-server, https://www.rabbitmq.com/docs (read 2026-08-21), and
real servers 3.10.8, 4.0.5 and 4.3.6, by ``judges/rabbitmq_differential.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retrysim.durations import MINUTE
from retrysim.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version: its name, and what it does differently."""

    name: str
    #: what the server calls itself in ``Connection.Start``; kombu reads it
    release: str
    #: how long a delivery may stay unacknowledged
    consumer_timeout_ns: int = 30 * MINUTE
    #: who pays when it did: the channel is closed, or the consumer of a quorum queue is cancelled
    consumer_timeout_closes: Literal["channel", "consumer"] = "channel"
    #: whether ``x-consumer-timeout`` of a queue is looked at (3.12)
    consumer_timeout_of_queue: bool = True
    #: how often a quorum queue returns a message before it drops it, unless the queue says otherwise
    delivery_limit: int | None = None
    #: whether ``basic.nack`` and ``basic.recover`` count as a failed delivery
    nack_counts: bool = True
    #: whether quorum queues tell how often a message was acquired (``x-acquired-count``)
    acquired_count: bool = False
    #: whether ``basic.qos(global=true)`` limits the channel; if not, it is taken for ``global=false`` without a word
    global_qos: bool = True
    #: whether queues that are neither durable nor exclusive are permitted, as the server is installed
    transient_queues: bool = True
    #: whether ``x-queue-mode`` is taken whatever it says
    ignores_queue_mode: bool = False
    #: whether a queue that names no type is declared as one of type ``classic``
    names_queue_type: bool = True
    #: the code that refuses an unknown type of exchange
    unknown_exchange_type: int = 406
    #: whether ``basic.get`` says ``x-delivery-count: 0`` of a message that a quorum queue has not delivered before
    tells_zero_deliveries: bool = False
    #: which priorities quorum queues know: none, two shares (0-4 and 5 or more), or 0 to 31 strictly
    quorum_priorities: Literal["none", "two", "strict"] = "none"
    #: whether a quorum queue goes by priority when it chooses its single active consumer
    single_active_by_priority: bool = True
    #: whether a quorum queue without a delivery limit puts what a client requeues behind all others
    appends_requeued: bool = True
    #: whether a quorum queue takes back what a channel had that is gone in the order of its subscriptions, and what was
    #: fetched last; if not, what was fetched first, and the rest by the tags of its consumers
    returns_by_subscription: bool = False
    #: whether ``x-death`` that a client sends counts for the detection of cycles
    reads_deaths_of_clients: bool = True
    #: whether a dead letter keeps its delivery count, so that it is told to be redelivered where nobody has had it
    keeps_delivery_count: bool = False
    #: whether dead letters tell of their last death beside the first
    tells_last_death: bool = True


VERSIONS = {
    version.name: version
    for version in (
        Version(
            name="3.10",
            release="3.10.8",
            consumer_timeout_of_queue=False,
            single_active_by_priority=False,
            tells_last_death=False,
            names_queue_type=False,
            unknown_exchange_type=503,
            tells_zero_deliveries=True,
        ),
        Version(
            name="3.13",
            release="3.13.7",
            names_queue_type=False,
            unknown_exchange_type=503,
            single_active_by_priority=False,
        ),
        Version(
            name="4.0",
            release="4.0.5",
            delivery_limit=20,
            quorum_priorities="two",
            returns_by_subscription=True,
            reads_deaths_of_clients=False,
        ),
        Version(
            name="4.3",
            release="4.3.6",
            consumer_timeout_closes="consumer",
            delivery_limit=20,
            nack_counts=False,
            acquired_count=True,
            keeps_delivery_count=True,
            global_qos=False,
            appends_requeued=False,
            ignores_queue_mode=True,
            quorum_priorities="strict",
            returns_by_subscription=True,
            reads_deaths_of_clients=False,
        ),
    )
}
NEWEST = "4.3"


def version_named(name: object) -> Version:
    """The version of that name (``"4.0"``); raises ``InputError`` for one that is not modelled."""
    text = str(name)
    if text not in VERSIONS:
        raise InputError(f"RabbitMQ {text} is not modelled; the versions that are: {', '.join(VERSIONS)}")
    return VERSIONS[text]
