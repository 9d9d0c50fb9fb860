"""The RabbitMQ of one simulation: a node, kombu's transport to it, and what its workers poll, time and run by."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import billiard.pool
from celery.worker import components

from retrysim.celery.conf_layer import transport_options
from retrysim.celery.hub.hub import Hub
from retrysim.celery.hub.poller import HubPoller
from retrysim.celery.hub.timer import HubTimer
from retrysim.celery.pools.prefork_in_hub import HubPool
from retrysim.celery.rabbitmq.messages import Messages
from retrysim.celery.rabbitmq.node import Node
from retrysim.celery.rabbitmq.transport import transport_class
from retrysim.celery.result_conditions import ResultConditions
from retrysim.durations import MILLISECOND
from retrysim.faults import Rules
from retrysim.kernel import Host, Role
from retrysim.network import Network, Poller
from retrysim.rabbitmq import RabbitMQ
from retrysim.undo import UndoStack

#: kombu's names for transports that end at a RabbitMQ.
_TRANSPORTS = ("amqp", "amqps", "pyamqp", "librabbitmq")


class RabbitMQBroker:
    """``Simulation(broker="rabbitmq")``: kombu's pyamqp transport under Celery's event loop, as with prefork."""

    name, kind = "amqp", "rabbitmq"
    pool = HubPool
    boot_ns = 3400 * MILLISECOND  # "Starting RabbitMQ" to its listener, 3.10.8

    def __init__(self, network: Network, rules: Rules, conditions: ResultConditions, options: RabbitMQ) -> None:
        self.environment = network.environment
        self.conditions = conditions
        self.notes: list[str] = []
        self.node = Node(network, options)
        self.server = self.node.server
        self.network = self.node.route
        self.server.on_unmodelled = warn_once()
        self.changed = _Loops()
        self.messages = Messages(self.node, self.environment, rules)
        self.routed = self.messages.routed
        self.transport: Any = transport_class(self)

    def connect(self, undo: UndoStack) -> None:
        """Put our hub and timer where Celery looks for its own, until ``undo`` is unwound."""
        undo.set_attribute(components, "_Hub", partial(Hub, make_poller=self._hub_poller))
        undo.set_attribute(components, "_Timer", partial(HubTimer, self.environment))
        undo.set_attribute(billiard.pool, "Lock", billiard.pool.Lock)  # the hub's step replaces it for good
        self.environment.listeners.add(undo, died=self._drop)

    def _hub_poller(self, timer: HubTimer, has_work: Callable[[], bool]) -> HubPoller:
        poller = HubPoller(
            self.network.network,
            has_work=has_work,
            until_next_ns=timer.until_next_ns,
            keeps_alive=timer.awaits_one,
            stands_for=timer.first_one_shot_ns,
        )
        self.changed.pollers.append(poller)
        return poller

    # -- an app's settings ---------------------------------------------------------------------------------------------

    def settings(self, app: Any) -> dict[str, Any]:
        """What is laid over an app's configuration; its virtual host and its transport options stay its own."""
        connection = app.connection_for_write()
        own = connection.transport_cls in _TRANSPORTS
        vhost = str(connection.virtual_host or "/") if own else "/"
        url = f"amqp://guest:guest@simulation:5672/{vhost}"
        return {
            **dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), url),
            **dict.fromkeys(("broker_user", "broker_password", "broker_transport")),
            "broker_transport_options": transport_options(app, own=own),
            "broker_use_ssl": False,
        }

    def results(self, app: Any) -> None:
        """A RabbitMQ stores no results."""

    # -- who uses it ---------------------------------------------------------------------------------------------------

    def _drop(self, host: Host) -> None:
        """A host disappears: its connections break, and its messages go back to their queues."""
        if host.role is not Role.CHILD:  # whose connections are those of its worker, as Celery's globals are
            self.network.drop(host)
            self.changed.notify_all()

    def stop(self, *, lose_data: bool) -> None:
        """What is durable survives, with the messages that are persistent."""
        self.server.restart(lose_data=lose_data)
        self.node.flush()

    def waiting(self) -> dict[str, list[str]]:
        """The ids of the tasks that wait in each queue."""
        return self.messages.waiting()

    def unacked(self) -> dict[str, str]:
        """The tasks whose message RabbitMQ has dropped, or holds back (id -> a phrase)."""
        return self.messages.lost()


def warn_once() -> Callable[[str], None]:
    """Warns of each argument that is accepted and not modelled, the first time that it is named."""
    named: set[str] = set()

    def warn(argument: str) -> None:
        if argument not in named:
            named.add(argument)
            warnings.warn(
                f"the simulated RabbitMQ accepts the queue argument {argument} and does nothing about it", stacklevel=2
            )

    return warn


class _Loops:
    """All loops of the simulation, woken together when somebody has set a flag that they look at."""

    def __init__(self) -> None:
        self.pollers: list[HubPoller] = []
        #: those of loops without a hub, while they wait
        self.parked: list[Poller] = []

    def notify_all(self) -> None:
        for poller in (*self.pollers, *self.parked):
            poller.nudge()
