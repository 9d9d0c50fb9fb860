"""Stands in for the waiting in kombu's memory transport; everything else of it is kombu's own.

kombu's ``drain_events`` sleeps for its ``polling_interval``, a second, between looks at the queues. Here it waits until
something happened that could matter: a message was put, acked or rejected, or the prefetch count changed (each may free
a slot). Where the interval is set, it looks at the instants at which kombu would, and at no other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from queue import Empty
from typing import Any
from weakref import WeakSet

import kombu
from celery.worker import state as worker_state
from kombu.transport import memory, virtual

from retrysim.celery import said
from retrysim.celery.conf_layer import transport_options
from retrysim.celery.forked import share_memory
from retrysim.celery.pools.prefork import TaskPool
from retrysim.celery.publishing import JudgedChannel, Judgement, forget
from retrysim.celery.result_conditions import ResultConditions
from retrysim.clock import grid_ns
from retrysim.faults import Rules
from retrysim.kernel import Condition, Environment
from retrysim.undo import UndoStack


class _TellingChannel(memory.Channel):  # type: ignore[misc]
    """kombu's memory channel; it lets waiting consumers look at what may matter to one of them."""

    changed: Condition
    #: every channel of the simulation
    opened: WeakSet[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opened.add(self)

    def finds_nothing(self) -> bool:
        """Whether a look at its queues would find nothing, and make none that is gone."""
        queues = self.queues
        if self._consumers and self.qos.can_consume():
            for name in self._active_queues:
                if name not in queues or queues[name].queue:
                    return False
        return True

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)
        self.changed.suggest_all()

    def _put_fanout(self, exchange: str, message: Any, routing_key: str | None = None, **kwargs: Any) -> None:
        super()._put_fanout(exchange, message, routing_key, **kwargs)
        self.changed.suggest_all()

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        super().basic_ack(delivery_tag, multiple)
        self.changed.suggest_all()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        super().basic_reject(delivery_tag, requeue)
        self.changed.suggest_all()

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self.changed.suggest_all()


class _Channel(JudgedChannel, _TellingChannel):
    """The same, with the rules of the run."""


class _Transport(memory.Transport):  # type: ignore[misc]
    """kombu's memory transport, waiting in virtual time."""

    environment: Environment
    changed: Condition
    #: how long nobody looks at the queues, in seconds; none: who waits looks when something has changed
    polling_interval: float | None = None

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver the next message; raises ``TimeoutError`` (``socket.timeout``) when none came in time."""
        clock, idle = self.environment.clock, self._is_idle_consumer()
        began_ns, deadline_ns = clock.ns, None if timeout is None or idle else clock.ns + grid_ns(timeout)
        while True:
            try:
                self.cycle.get(self._deliver, timeout=timeout)
                return
            except Empty:
                left_ns = None if deadline_ns is None else deadline_ns - clock.ns
                if left_ns is not None and left_ns <= 0:
                    raise TimeoutError from None
                self.environment.wait(
                    self.changed, timeout_ns=left_ns, has_nothing_to_do=self._has_nothing_to_do() if idle else None
                )
                self._wait_for_the_next_look(began_ns, timeout)
                if idle:
                    raise TimeoutError from None  # let the worker's loop look around, as it does each two seconds

    def _has_nothing_to_do(self) -> Callable[[], bool] | None:
        """Says whether an idle consumer that has found nothing would find nothing again, and has nothing else to do."""
        process = self.environment.current
        if process is None or self.polling_interval:
            return None
        host, channels = process.host.top, self.channels
        activity = host.activity

        def finds_nothing() -> bool:
            return host.activity == activity and all(channel.finds_nothing() for channel in channels)

        return finds_nothing

    def _wait_for_the_next_look(self, began_ns: int, timeout: float | None) -> None:
        if not self.polling_interval:
            return
        interval_ns = grid_ns(min(self.polling_interval, timeout or self.polling_interval))
        past_ns = (self.environment.clock.ns - began_ns) % interval_ns
        if past_ns:
            look = Condition("the next look at the queues")
            self.environment.wait(look, timeout_ns=interval_ns - past_ns, daemon=not self._may_have_messages())

    def _may_have_messages(self) -> bool:
        return any(queue.qsize() for queue in self.Channel.queues.values())

    def _is_idle_consumer(self) -> bool:
        """Whether a worker's consumer asks, which is woken by all that concerns it and so needs no timeout.

        One that shuts down has its timeout: ``synloop`` drains once more before it goes.
        """
        process = self.environment.current
        shuts_down = worker_state.should_stop is not None or worker_state.should_terminate is not None
        return process is not None and process.awaits_work and not shuts_down


class MemoryBroker:
    """The queues of one simulation: a transport class of its own, since kombu keeps them on the class."""

    name = kind = "memory"
    pool = TaskPool

    network = None
    boot_ns = 0

    def __init__(self, environment: Environment, rules: Rules, conditions: ResultConditions) -> None:
        self.changed = Condition("a message")
        self.routed: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self.conditions = conditions
        judgement = Judgement(rules, self.routed)
        self._environment = environment
        self.channel: Any = type(
            "Channel",
            (_Channel,),
            {
                "queues": {},
                "events": defaultdict(set),
                "changed": self.changed,
                "opened": WeakSet(),
                "judgement": judgement,
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
        """Nothing of kombu has to be replaced: the transport is ours. At the end, what is unacked stays so."""
        share_memory(self._environment.faces, self)
        undo.then(self._close)

    def new_channel(self) -> Any:
        """A channel for who has no connection of kombu's."""
        return kombu.Connection("memory://simulation//", transport=self.transport).channel()

    def _close(self) -> None:
        for channel in tuple(self.channel.opened):
            forget(channel)

    def settings(self, app: Any) -> dict[str, Any]:
        """What is laid over an app's configuration."""
        urls = dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), "memory://simulation//")
        options = transport_options(app, own=_is_in_memory(app))
        asked = {name: value for name, value in options.items() if name == "polling_interval"}
        return {**urls, "broker_transport_options": asked}

    def results(self, app: Any) -> None:
        """Queues store no results."""

    def stop(self, *, lose_data: bool) -> None:
        """There is no server."""

    def waiting(self) -> dict[str, list[str]]:
        """The ids of the tasks that wait in each queue."""
        return {
            name: [said.text(message["headers"]["id"]) for message in queue.queue if "id" in message.get("headers", {})]
            for name, queue in self.channel.queues.items()
        }

    def unacked(self) -> dict[str, str]:
        """Nothing is ever unacked that nobody has: a channel that closes takes its messages along."""
        return {}

    def poll(self) -> None:
        """From here on consumers look at the queues when kombu's do, whatever an app has set."""
        self.transport.polling_interval = virtual.Transport.polling_interval


def _is_in_memory(app: Any) -> bool:
    return bool(app.connection_for_write().transport_cls == "memory")
