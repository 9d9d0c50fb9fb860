"""``sim.broker``: a look into the broker, and the faults that it and the way to it can have."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from retrysim.celery.hosting import Broker
from retrysim.durations import Duration, parse_duration
from retrysim.errors import InputError
from retrysim.faults import Delay, Drop, Duplicate, Fail, MessageRule, Rules, Verdict
from retrysim.kernel import Environment
from retrysim.simulation.rabbitmq_verbs import RabbitMQVerbs
from retrysim.simulation.route_verbs import Note, RouteVerbs

if TYPE_CHECKING:
    import redis


class BrokerHandle(RouteVerbs, RabbitMQVerbs):
    """The broker of a simulation, as a test sees it.

    Its verbs act at once and do not wait: ``sim.broker.restart()`` between two ``sim.run(...)``. Those that concern
    connections need a server, ``broker="redis"`` or ``"rabbitmq"``: kombu's memory transport has none.
    """

    def __init__(self, broker: Callable[[], Broker], environment: Environment, rules: Rules, note: Note) -> None:
        super().__init__("broker", environment, note)
        self._broker = broker
        self._rules = rules
        self._names = count(1)

    @property
    def kind(self) -> str:
        """``"memory"``, ``"redis"`` or ``"rabbitmq"``."""
        return self._broker().kind

    @property
    def client(self) -> redis.Redis:
        """A client of redis-py on the simulated server, database 0; ``client_of(database)`` for another."""
        return self.client_of(0)

    def client_of(self, database: int) -> redis.Redis:
        broker = self._broker()
        if broker.name != "redis":
            raise InputError(f"sim.broker.client is a client of Redis, and this broker is {broker.kind}")
        client: redis.Redis = broker.client(database)  # type: ignore[attr-defined]
        return client

    def waiting(self) -> dict[str, list[str]]:
        """Queue → the ids of the tasks whose messages wait in it, next first."""
        return self._broker().waiting()

    def _stop(self, *, lose_data: bool) -> None:
        self._broker().stop(lose_data=lose_data)

    def _boot_ns(self) -> int:
        return self._broker().boot_ns

    def _network(self, verb: str) -> Any:
        network = self._broker().network
        if network is None:
            raise InputError(
                f"sim.broker.{verb}: kombu's memory transport has no server and no connection; "
                'write Simulation(broker="redis") or "rabbitmq", or broker: redis in a scenario'
            )
        return network

    # -- messages ------------------------------------------------------------------------------------------------------

    def drop(self, *, name: str | None = None, **which: Any) -> str:
        """Let messages be lost on their way into a queue; returns the fault's name, for ``release``.

        ``task``, ``queue`` and ``retries`` (0: first attempts) say which messages count, ``nth`` which of them is the
        first, ``times`` how many (1; ``None``: all that follow).
        """
        return self._rule(Drop(), name, which)

    def duplicate(self, *, copies: int = 2, name: str | None = None, **which: Any) -> str:
        """Let messages arrive ``copies`` times, as when a publisher sends again. See ``drop`` for which."""
        return self._rule(Duplicate(copies=copies), name, which)

    def delay(self, by: Duration, *, name: str | None = None, **which: Any) -> str:
        """Let messages arrive later. See ``drop`` for which."""
        return self._rule(Delay(by_ns=parse_duration(by)), name, which)

    def fail(self, *, name: str | None = None, **which: Any) -> str:
        """Let publishing fail with a connection error, once for each try. See ``drop`` for which."""
        return self._rule(Fail(), name, which)

    def release(self, name: str) -> None:
        """Take a fault of messages back."""
        if name not in self._rules.names():
            raise InputError(f"no fault of messages is named {name!r}; there is {', '.join(self._rules.names())}")
        self._rules.remove(name)

    def concerned(self, name: str) -> int:
        """How many messages a fault of messages has seen that it concerns."""
        return self._rules.concerned(name)

    def _rule(self, verdict: Verdict, name: str | None, which: dict[str, Any]) -> str:
        name = name or f"{verdict.verb} {next(self._names)}"
        try:
            self._rules.add(MessageRule(name=name, verdict=verdict, **which))
        except TypeError:
            known = "task, queue, retries, nth, times"
            wrong = ", ".join(sorted(set(which) - set(known.split(", "))))
            raise InputError(f"sim.broker.{verdict.verb}: no option {wrong}; messages are chosen by {known}") from None
        return name
