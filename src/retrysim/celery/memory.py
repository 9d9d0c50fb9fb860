"""Stands in for the waiting in kombu's memory transport; everything else of it is kombu's own.

kombu's ``drain_events`` sleeps a second between looks at the queues. Here it waits until something happened that
could matter: a message was put, acked or rejected, or the prefetch count changed (each may free a slot).
"""

from __future__ import annotations

from collections import defaultdict
from queue import Empty
from typing import Any

from celery.worker import state as worker_state
from kombu.transport import memory, virtual

from retrysim.celery.pool import TaskPool
from retrysim.celery.publishing import JudgedChannel
from retrysim.celery.result_weather import ResultWeather
from retrysim.clock import grid_ns
from retrysim.faults import Rules
from retrysim.kernel import Condition, Environment
from retrysim.undo import UndoStack


class _TellingChannel(memory.Channel):  # type: ignore[misc]
    """kombu's memory channel; what may matter to a waiting consumer is told."""

    changed: Condition

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)
        self.changed.notify_all()

    def _put_fanout(self, exchange: str, message: Any, routing_key: str | None = None, **kwargs: Any) -> None:
        super()._put_fanout(exchange, message, routing_key, **kwargs)
        self.changed.notify_all()

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        super().basic_ack(delivery_tag, multiple)
        self.changed.notify_all()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        super().basic_reject(delivery_tag, requeue)
        self.changed.notify_all()

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self.changed.notify_all()


class _Channel(JudgedChannel, _TellingChannel):
    """The same, with the rules of the run."""


class _Transport(memory.Transport):  # type: ignore[misc]
    """kombu's memory transport, waiting in virtual time."""

    environment: Environment
    changed: Condition

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver the next message; raises ``TimeoutError`` (``socket.timeout``) when none came in time."""
        clock, idle = self.environment.clock, self._is_idle_consumer()
        deadline_ns = None if timeout is None or idle else clock.ns + grid_ns(timeout)
        while True:
            try:
                self.cycle.get(self._deliver, timeout=timeout)
                return
            except Empty:
                left_ns = None if deadline_ns is None else deadline_ns - clock.ns
                if left_ns is not None and left_ns <= 0:
                    raise TimeoutError from None
                self.environment.wait(self.changed, timeout_ns=left_ns)
                if idle:
                    raise TimeoutError from None  # let the worker's loop look around, as it does each two seconds

    def _is_idle_consumer(self) -> bool:
        """Whether a worker's consumer asks, which is woken by all that concerns it and so needs no timeout.

        One that shuts down has its timeout: ``synloop`` drains once more before it goes.
        """
        process = self.environment.current
        shuts_down = worker_state.should_stop is not None or worker_state.should_terminate is not None
        return process is not None and process.service and not process.daemon and not shuts_down


class MemoryBroker:
    """The queues of one simulation: a transport class of its own, since kombu keeps them on the class."""

    name = "memory"
    pool = TaskPool

    network = None

    def __init__(self, environment: Environment, rules: Rules, weather: ResultWeather) -> None:
        self.changed = Condition("a message")
        self.routed: dict[str, list[str]] = {}
        self.weather = weather
        self.channel: Any = type(
            "Channel",
            (_Channel,),
            {
                "queues": {},
                "events": defaultdict(set),
                "changed": self.changed,
                "rules": rules,
                "routed": self.routed,
                "environment": environment,
            },
        )
        self.transport: Any = type(
            "Transport",
            (_Transport,),
            {
                "Channel": self.channel,
                "global_state": virtual.BrokerState(),
                "environment": environment,
                "changed": self.changed,
            },
        )

    def connect(self, undo: UndoStack) -> None:
        """Nothing of kombu has to be replaced: the transport is ours."""

    def settings(self, app: Any) -> dict[str, Any]:
        """What is laid over an app's configuration."""
        urls = dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), "memory://simulation//")
        return {**urls, "broker_transport_options": {}}

    def results(self, app: Any) -> None:
        """Results go to the simulation's own store."""

    def drop(self, host: object) -> None:
        """A worker is gone: kombu's memory transport loses what it had."""

    def waiting(self) -> dict[str, list[str]]:
        """The ids of the tasks that wait in each queue."""
        return {
            name: [message["headers"]["id"] for message in queue.queue if "id" in message.get("headers", {})]
            for name, queue in self.channel.queues.items()
        }

    def unacked(self) -> dict[str, str]:
        """Nothing is ever unacked that nobody has: a channel that closes takes its messages along."""
        return {}
