"""What ``sim.broker`` shows of a simulated RabbitMQ, and the faults that only a RabbitMQ has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retrysim.errors import InputError
from retrysim.nearest import did_you_mean

if TYPE_CHECKING:
    from retrysim.celery.hosting import Broker
    from retrysim.celery.worker import Worker
    from retrysim.rabbitmq.queues import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMQQueue:
    """A queue as ``rabbitmqctl list_queues`` shows it."""

    name: str
    type: str
    durable: bool
    messages_ready: int
    messages_unacknowledged: int
    consumers: int

    @property
    def messages(self) -> int:
        return self.messages_ready + self.messages_unacknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMQBinding:
    """A binding as ``rabbitmqctl list_bindings`` shows it; the default exchange's own are left out."""

    source: str
    destination: str
    routing_key: str


class RabbitMQVerbs:
    """A mix-in of ``BrokerHandle``; each raises ``InputError`` when the broker is no RabbitMQ."""

    _broker: Callable[[], Broker]
    _note: Callable[[str, str, str], None]

    # -- what is in it -------------------------------------------------------------------------------------------------

    def queue(self, name: str) -> RabbitMQQueue:
        """A queue of RabbitMQ: ``sim.broker.queue("celery").messages_unacknowledged``."""
        return _shown(self._queue("queue", name))

    def queues(self) -> list[RabbitMQQueue]:
        """All queues, in the order of their declaration."""
        return [_shown(queue) for queue in self._rabbitmq("queues").server.queues()]

    def bindings(self) -> list[RabbitMQBinding]:
        """All bindings, those of an exchange together."""
        hosts = self._rabbitmq("bindings").server.hosts.values()
        return [
            RabbitMQBinding(source=exchange.name, destination=binding.destination.name, routing_key=binding.key)
            for host in hosts
            for exchange in host.exchanges.values()
            for binding in exchange.bindings
        ]

    # -- its own faults ------------------------------------------------------------------------------------------------

    def raise_alarm(self, reason: str = "low on memory", *, name: str | None = None) -> None:
        """Block connections that publish (``connection.blocked``), until ``clear_alarm``."""
        node = self._rabbitmq("raise_alarm")
        node.server.raise_alarm(reason)
        node.flush()
        self._note(name or "alarm", "raise_alarm", reason)

    def clear_alarm(self, *, name: str | None = None) -> None:
        """End the alarm: what publishers sent meanwhile is taken."""
        node = self._rabbitmq("clear_alarm")
        node.server.clear_alarm()
        node.flush()
        self._note(name or "alarm", "clear_alarm", "broker")

    def close_connections(self, worker: Worker | None = None, *, name: str | None = None) -> None:
        """Close the connections of a worker, or all, with 320 CONNECTION_FORCED, as an operator or a restart does."""
        node = self._rabbitmq("close_connections")
        node.force_close(lambda host: worker is None or host.machine == worker.name)
        target = "broker" if worker is None else worker.name
        self._note(name or "close connections", "close_connections", target)

    def delete_queue(self, queue: str, *, name: str | None = None) -> None:
        """Delete a queue, with its messages: its consumers are cancelled."""
        node = self._rabbitmq("delete_queue")
        self._queue("delete_queue", queue).delete("an operator deleted it")
        node.flush()
        self._note(name or f"delete {queue}", "delete_queue", queue)

    def lock_queue(self, queue: str, *, name: str | None = None) -> None:
        """Let somebody else have a queue for itself: whoever declares or uses it gets 405 RESOURCE_LOCKED."""
        self._rabbitmq("lock_queue").server.locked.add(self._queue("lock_queue", queue).name)
        self._note(name or f"lock {queue}", "lock_queue", queue)

    def unlock_queue(self, queue: str, *, name: str | None = None) -> None:
        """Give it free again."""
        self._rabbitmq("unlock_queue").server.locked.discard(queue)
        self._note(name or f"lock {queue}", "unlock_queue", queue)

    def _rabbitmq(self, verb: str) -> Any:
        broker: Any = self._broker()
        if broker.kind != "rabbitmq":
            raise InputError(
                f"sim.broker.{verb} is for RabbitMQ, and this broker is {broker.kind}; "
                'write Simulation(broker="rabbitmq")'
            )
        return broker.node

    def _queue(self, verb: str, name: str) -> Queue:
        queues: dict[str, Queue] = {queue.name: queue for queue in self._rabbitmq(verb).server.queues()}
        if name not in queues:
            there_are = f" (there are {', '.join(sorted(queues))})" if queues else ""
            raise InputError(f"RabbitMQ has no queue {name!r}{did_you_mean(name, sorted(queues)) or there_are}")
        return queues[name]


def _shown(queue: Queue) -> RabbitMQQueue:
    return RabbitMQQueue(
        name=queue.name,
        type=queue.declaration.kind,
        durable=queue.declaration.durable,
        messages_ready=queue.messages_ready,
        messages_unacknowledged=queue.messages_unacknowledged,
        consumers=queue.consumer_count,
    )
