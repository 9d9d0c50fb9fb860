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

if TYPE_CHECKING:
    import redis

    from retrysim.celery.worker import Worker

#: Tells the trace: the fault's name, what was done, and to what.
Note = Callable[[str, str, str], None]


class BrokerHandle:
    """The broker of a simulation, as a test sees it.

    Its verbs act at once and do not wait: ``sim.broker.restart()`` between two ``sim.run(...)``. Those that concern
    connections need ``broker="redis"``, since kombu's memory transport has none.
    """

    def __init__(self, broker: Callable[[], Broker], environment: Environment, rules: Rules, note: Note) -> None:
        self._broker = broker
        self._environment = environment
        self._rules = rules
        self._note = note
        self._names = count(1)

    @property
    def client(self) -> redis.Redis:
        """A client of redis-py on the simulated server, database 0; ``client_of(database)`` for another."""
        return self.client_of(0)

    def client_of(self, database: int) -> redis.Redis:
        self._network("client")
        client: redis.Redis = self._broker().client(database)  # type: ignore[attr-defined]
        return client

    def waiting(self) -> dict[str, list[str]]:
        """Queue → the ids of the tasks whose messages wait in it, next first."""
        return self._broker().waiting()

    # -- connections ---------------------------------------------------------------------------------------------------

    def cut_connections(self, worker: Worker | None = None, *, name: str | None = None) -> None:
        """Break the connections of one worker, or of everybody; they can be made anew at once."""
        network = self._network("cut_connections")
        network.cut_connections(lambda host: worker is None or host is worker)
        self._note(name or "cut connections", "cut_connections", _named(worker))

    def partition(self, worker: Worker, *, name: str | None = None) -> None:
        """Let nothing pass between a worker and the broker, and nobody know: silence, until ``repair``."""
        self._network("partition").partition(worker)
        self._note(name or f"partition {worker.name}", "partition", worker.name)

    def repair(self, worker: Worker, *, name: str | None = None) -> None:
        """End a partition: what was sent meanwhile arrives."""
        self._network("repair").repair(worker)
        self._note(name or f"partition {worker.name}", "repair", worker.name)

    # -- the server ----------------------------------------------------------------------------------------------------

    def stop(self, *, lose_data: bool = False, name: str | None = None) -> None:
        """Stop the server: connections break, new ones are refused. ``lose_data``: it keeps nothing on disk."""
        self._network("stop").shut_down()
        if lose_data:
            self._broker().server.lose_data()  # type: ignore[attr-defined]
        self._note(name or "stop broker", "stop", "broker")

    def start(self, *, name: str | None = None) -> None:
        """Start the server again."""
        self._network("start").start_up()
        self._note(name or "stop broker", "start", "broker")

    def restart(self, *, lose_data: bool = False, down_for: Duration = 0, name: str | None = None) -> None:
        """Stop the server, and start it again after ``down_for``."""
        self._network("restart")
        name = name or "restart broker"
        down_ns = parse_duration(down_for)
        self.stop(lose_data=lose_data, name=name)
        if down_ns:
            self._environment.schedule(self._environment.clock.ns + down_ns, lambda: self.start(name=name))
        else:
            self.start(name=name)

    def _network(self, verb: str) -> Any:
        network = self._broker().network
        if network is None:
            raise InputError(
                f"sim.broker.{verb}: kombu's memory transport has no server and no connection; "
                'write Simulation(broker="redis"), or broker: redis in a scenario'
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


def _named(worker: Worker | None) -> str:
    return "broker" if worker is None else worker.name
