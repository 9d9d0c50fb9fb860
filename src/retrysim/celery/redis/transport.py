"""kombu's own Redis transport on the simulation's server: QoS, unacked messages, priorities, fanout are kombu's.

Changed are three things that a process of its own and a real socket would bring: connections go to the simulated
server, what kombu iterates by address or hash has an order, and a BRPOP that nothing answered and that would be sent
again at once is left waiting (one each second, for hours, that nobody could see).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.transport import redis as kombu_redis

from retrysim.celery.publishing import JudgedChannel
from retrysim.celery.redis.ordered import OrderedSet
from retrysim.durations import SECOND
from retrysim.patches import monotonic_ns

if TYPE_CHECKING:
    from retrysim.celery.redis.broker import RedisBroker

#: kombu 5.7 looks each second whether a binding must be refreshed, which is due every 20 minutes. Nobody sees when.
_BINDINGS_S = 10


class _Channel(JudgedChannel, kombu_redis.Channel):  # type: ignore[misc]
    """A channel of the simulation; ``host`` is the simulated process that opened it, ``None`` is the test."""

    broker: RedisBroker
    _synchronous: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        process = self.broker.environment.current
        self.host = None if process is None else process.host
        self.active_fanout_queues: OrderedSet[str] = OrderedSet()
        self.auto_delete_queues: OrderedSet[str] = OrderedSet()
        self.broker.opened(self)

    def close(self) -> None:
        super().close()
        self.broker.closed(self)

    def _create_client(self, asynchronous: bool = False) -> Any:
        """A client of redis-py has no state but its pool, and making one costs more than what it is used for."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._synchronous is None or self._synchronous.connection_pool is not self.pool:
            self._synchronous = super()._create_client()
        return self._synchronous

    # -- an order for what kombu (before 5.7) iterates by hash ---------------------------------------------------------

    @property
    def active_queues(self) -> list[str]:
        """The queues it consumes, without those of fanout exchanges."""
        return [queue for queue in dict.fromkeys(self._active_queues) if queue not in self.active_fanout_queues]

    def get_table(self, exchange: str) -> list[tuple[str, ...]]:
        return sorted(super().get_table(exchange))

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        return sorted(super()._lookup(exchange, routing_key, default))

    # -- a BRPOP that nothing answered ---------------------------------------------------------------------------------

    def _brpop_start(self, *timeout: float) -> None:
        super()._brpop_start(*timeout)
        self._asked_for = self.active_queues
        self.client.connection._sock.would_ask_again = self._would_ask_again

    def _would_ask_again(self) -> bool:
        """Whether a hub would read "nothing" and send the same BRPOP at once; then it counts as sent now."""
        if not self.client.connection._sock.in_hub or not self.qos.can_consume():
            return False
        if self.active_queues != self._asked_for:
            return False
        self._brpop_sent_at = monotonic_ns(self.broker.environment.clock) / SECOND
        self.client.connection.note_sign_of_life()
        return True


class _Transport(kombu_redis.Transport):  # type: ignore[misc]
    """kombu's Redis transport, in order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle._channels = OrderedSet()
        self.cycle.after_read = OrderedSet()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        super().register_with_event_loop(connection, loop)
        each_second = getattr(self.cycle, "_binding_expiry_tref", None)
        if each_second is not None:
            each_second.cancel()
            refresh = self.cycle.maybe_refresh_binding_expiry
            self.cycle._binding_expiry_tref = loop.call_repeatedly(_BINDINGS_S, refresh)


def transport_class(broker: RedisBroker) -> type[_Transport]:
    """The transport of one simulation: kombu makes the instances, so what they need is on the classes."""
    channel = type(
        "Channel",
        (_Channel,),
        {
            "broker": broker,
            "rules": broker.rules,
            "routed": broker.routed,
            "environment": broker.environment,
            "connection_class": broker.connection_class,
            "connection_class_ssl": broker.connection_class,
            "_fanout_queues": {},  # kombu keeps it on the class
        },
    )
    return type("Transport", (_Transport,), {"Channel": channel})
