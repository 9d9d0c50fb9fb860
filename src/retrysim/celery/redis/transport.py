"""kombu's own Redis transport on the simulation's server: QoS, unacked messages, priorities, fanout are kombu's.

Changed are three things that a process of its own and a real socket would bring: connections go to the simulated
server, what kombu iterates by address or hash has an order, and a BRPOP that nothing answered and that would be sent
again at once is left waiting (one each second, for hours, that nobody could see).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.transport import redis as kombu_redis
from kombu.utils.json import dumps

from retrysim.celery.publishing import JudgedChannel
from retrysim.celery.redis.idle import know_idle_calls
from retrysim.durations import SECOND
from retrysim.ordered import OrderedSet
from retrysim.patches import monotonic_ns

if TYPE_CHECKING:
    from retrysim.celery.redis.broker import RedisBroker

#: kombu 5.7 looks each second whether a binding must be refreshed, which is due every 20 minutes. Nobody sees when.
_BINDINGS_S = 10
#: How much later a sweep comes at least than the instant that its timer names: epoll counts in milliseconds.
_LATE_S = 0.001


class _QoS(kombu_redis.QoS):  # type: ignore[misc]
    """kombu's, in whose index no two messages were received at one instant: on a real server, none are.

    What was received last is made visible first, then, where Redis orders ties by their random tags.
    """

    channel: _Channel

    def append(self, message: Any, delivery_tag: str) -> None:
        delivery = message.delivery_info
        stored = dumps([message._raw, delivery["exchange"], delivery["routing_key"]])
        with self.channel.broker.receiving(message, self.channel.host), self.pipe_or_acquire() as pipe:
            received_s = self.channel.broker.visibility.receive(
                delivery_tag, (message.headers or {}).get("task", "a message")
            )
            pipe.zadd(self.unacked_index_key, {delivery_tag: received_s})
            pipe.hset(self.unacked_key, delivery_tag, stored).execute()
            super(kombu_redis.QoS, self).append(message, delivery_tag)

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        self.channel.broker.visibility.settle(delivery_tag)
        return super()._remove_from_indices(delivery_tag, pipe)

    def restore_by_tag(self, tag: str | bytes, client: Any = None, leftmost: bool = False) -> None:
        if isinstance(tag, bytes):  # as Redis tells a sweep
            self.channel.broker.visibility.sweep_takes(tag.decode(), self.channel.visibility_timeout)
        super().restore_by_tag(tag, client, leftmost)

    @property
    def visibility_timeout(self) -> float:
        """What a sweep goes by; a real one is so late that it takes all that was received at one instant."""
        return float(self.channel.visibility_timeout) - _LATE_S


class _Channel(JudgedChannel, kombu_redis.Channel):  # type: ignore[misc]
    """A channel of the simulation; ``host`` is the simulated process that opened it."""

    QoS = _QoS
    broker: RedisBroker
    _synchronous: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.host = self.broker.environment.host.top
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
        socket = self.client.connection._sock
        socket.would_ask_again, socket.asks_again = self._would_ask_again, self._ask_again

    def _would_ask_again(self) -> bool:
        """Whether a hub would read "nothing" and send the same BRPOP at once."""
        if not self._in_poll._sock.connection.in_hub or not self.qos.can_consume():
            return False
        return self.active_queues == self._asked_for

    def _ask_again(self, ago_ns: int) -> None:
        """It counts as sent so long ago."""
        self._brpop_sent_at = (monotonic_ns(self.broker.environment.clock) - ago_ns) / SECOND
        self._in_poll.note_sign_of_life(ago_ns)


class _Transport(kombu_redis.Transport):  # type: ignore[misc]
    """kombu's Redis transport, in order."""

    simulated = True  # nothing real is behind it

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
        know_idle_calls(self.cycle, self.Channel.broker, loop.timer, loop.poller)


def transport_class(broker: RedisBroker) -> type[_Transport]:
    """The transport of one simulation: kombu makes the instances, so what they need is on the classes."""
    channel = type(
        "Channel",
        (_Channel,),
        {
            "broker": broker,
            "judgement": broker.judgement,
            "environment": broker.environment,
            "connection_class": broker.connection_class,
            "connection_class_ssl": broker.connection_class,
            "_fanout_queues": {},  # kombu keeps it on the class
        },
    )
    return type("Transport", (_Transport,), {"Channel": channel})
