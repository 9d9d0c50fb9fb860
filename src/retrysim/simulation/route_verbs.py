"""The faults of the way to a server, and of the server as a whole: the same words for a broker and for an API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from retrysim.durations import Duration, parse_duration
from retrysim.faults.targets import EVERYBODY
from retrysim.kernel import Environment, Host

if TYPE_CHECKING:
    from retrysim.celery.worker import Worker

#: Tells the trace: the fault's name, what was done, and to what.
Note = Callable[[str, str, str], None]


class RouteVerbs:
    """Each verb acts at once and does not wait. ``name`` is the fault's in the trace, by default made of the verb."""

    def __init__(self, target: str, environment: Environment, note: Note) -> None:
        self._target = target
        self._environment = environment
        self._note = note

    def _network(self, verb: str) -> Any:
        """The way to the server. Raises ``InputError`` if there is none that the verb could concern."""
        raise NotImplementedError

    def _stop(self, *, lose_data: bool) -> None:
        raise NotImplementedError

    def _boot_ns(self) -> int:
        """How long the server's program takes to start."""
        raise NotImplementedError

    # -- connections ---------------------------------------------------------------------------------------------------

    def cut_connections(self, worker: Worker | None = None, *, name: str | None = None) -> None:
        """Break the connections of one worker, or of everybody; they can be made anew at once."""
        self._network("cut_connections").cut_connections(_of(worker))
        self._note(name or "cut connections", "cut_connections", _named(worker))

    def cut_in_mid_answer(self, worker: Worker | None = None, *, name: str | None = None) -> None:
        """Break the next connection that a worker (or anybody) is answered on, after half of the answer."""
        self._network("cut_in_mid_answer").cut_in_mid_answer(_of(worker))
        self._note(name or "cut in mid-answer", "cut_in_mid_answer", _named(worker))

    def slow_down(self, by: Duration, worker: Worker | None = None, *, name: str | None = None) -> Callable[[], None]:
        """Let data of one worker, or of everybody, take this much longer in each direction.

        Call what is returned to end it.
        """
        undo: Callable[[], None] = self._network("slow_down").slow_down(parse_duration(by), _of(worker))
        self._note(name or "slow down", "slow_down", _named(worker))
        return undo

    def partition(self, worker: Worker, *, name: str | None = None) -> None:
        """Let nothing pass between a worker and the server, and nobody know: silence, until ``repair``."""
        self._network("partition").partition(worker.name)
        self._note(name or f"partition {worker.name}", "partition", worker.name)

    def repair(self, worker: Worker, *, name: str | None = None) -> None:
        """End a partition: what was sent meanwhile arrives."""
        self._network("repair").repair(worker.name)
        self._note(name or f"partition {worker.name}", "repair", worker.name)

    # -- the server ----------------------------------------------------------------------------------------------------

    def stop(self, *, lose_data: bool = False, name: str | None = None) -> None:
        """Stop the server: connections break, new ones are refused. ``lose_data``: it keeps nothing on disk."""
        network = self._network("stop")
        self._stop(lose_data=lose_data)
        network.shut_down()
        self._note(name or f"stop {self._target}", "stop", self._target)

    def start(self, *, name: str | None = None) -> None:
        """Start the server again."""
        self._network("start").start_up()
        self._note(name or f"stop {self._target}", "start", self._target)

    def restart(self, *, lose_data: bool = False, down_for: Duration = 0, name: str | None = None) -> None:
        """Stop the server, and start it again after ``down_for``.

        By default it is down for as long as its program takes to start: 30 ms for Redis, 3.4 s for RabbitMQ. Until
        then it refuses connections.
        """
        self._network("restart")
        name = name or f"restart {self._target}"
        down_ns = parse_duration(down_for) or self._boot_ns()
        self.stop(lose_data=lose_data, name=name)
        self._environment.schedule(self._environment.clock.ns + down_ns, lambda: self.start(name=name))


def _named(worker: Worker | None) -> str:
    return EVERYBODY if worker is None else worker.name


def _of(worker: Worker | None) -> Callable[[Host], bool]:
    return lambda host: worker is None or host.machine == worker.name
