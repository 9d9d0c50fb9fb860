"""What one simulation may use before it is called a runaway, and what it has used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from retrysim.clock import VirtualClock, to_datetime
from retrysim.durations import DAY, format_duration, parse_duration
from retrysim.errors import InputError, Runaway
from retrysim.nearest import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one simulation may use before it is called a runaway.

    ``real_seconds`` is how long one step may compute: what a task does between two waits. ``task_steps`` is how often
    tasks may wait, and go on, while nothing else happens. ``connections`` is how often one worker may connect to one
    server while nothing else happens: a worker whose consumer is refused connects again, each time.
    """

    events: int = 20_000_000
    virtual_ns: int = 3_660 * DAY
    steps_at_one_instant: int = 2_000_000
    daemon_steps: int = 10_000
    attempts_per_task: int = 1_000
    task_steps: int = 1_000_000
    connections: int = 1_000
    real_seconds: float = 20

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Limits:
        """From the keys of a settings file: ``{"virtual_time": "1 year", "real_seconds": 60}``."""
        names = {"virtual_time": "virtual_ns"} | {field.name: field.name for field in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in given.items():
            if key not in names:
                raise InputError(f"limits: there is no {key!r}{did_you_mean(key, names) or f'; there are {_KEYS}'}")
            value = parse_duration(value) if key == "virtual_time" else value
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise InputError(f"limits: {key}: expected a number greater than 0; got {given[key]!r}")
            values[names[key]] = value
        return cls(**values)


_KEYS = (
    "events, virtual_time, steps_at_one_instant, daemon_steps, attempts_per_task, task_steps, connections, real_seconds"
)
#: What to add to an error that a limit has been crossed.
HOW_TO_RAISE = (
    "If that is meant, allow more: Simulation(limits={{'{name}': ...}}), `limits: {{{name}: ...}}` in a scenario "
    "file, or `limits = {{{name} = ...}}` under [tool.retrysim]"
)


class Meter:
    """Counts the steps of a simulation, and those since time last moved; raises ``Runaway`` for too many."""

    def __init__(self, clock: VirtualClock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        #: the steps so far
        self.steps = 0
        self._steps_here = 0
        self._task_steps = 0
        self._connections: Counter[tuple[str, str]] = Counter()

    def count_step(self) -> None:
        self.steps += 1
        self._steps_here += 1
        if self._steps_here > self._limits.steps_at_one_instant:
            raise Runaway(
                f"{self._steps_here} steps at {to_datetime(self._clock.ns).isoformat()} and time does not move: "
                "something runs in a circle without waiting"
            )
        if self.steps > self._limits.events:
            how = HOW_TO_RAISE.format(name="events")
            raise Runaway(f"the run took more than {self._limits.events} events\n{how}")

    def count_task_step(self, who: Callable[[], str]) -> None:
        """A task has waited, and goes on; ``who`` says which, and where it is."""
        self._task_steps += 1
        if self._task_steps > self._limits.task_steps:
            raise Runaway(
                f"tasks have waited {self._limits.task_steps} times, and nothing else has happened:\n{who()}\n"
                + HOW_TO_RAISE.format(name="task_steps")
            )

    def count_connection(self, host: str, server: str) -> None:
        """A worker connects to a server; both are what a person reads."""
        self._connections[host, server] += 1
        if self._connections[host, server] > self._limits.connections:
            raise Runaway(
                f"{host} has connected to {server} {self._limits.connections} times, and nothing else has happened: "
                f"{server} ends each connection, as the log of {host} says\n" + HOW_TO_RAISE.format(name="connections")
            )

    def something_has_happened(self) -> None:
        """An event of the trace: whoever waited for it did not wait in a circle."""
        self._task_steps = 0
        self._connections.clear()

    def time_may_move_to(self, ns: int, why: Callable[[int], str]) -> None:
        """Time is about to jump to an instant; ``why`` says who waits for it."""
        self._steps_here = 0
        if ns - self._clock.start_ns > self._limits.virtual_ns:
            limit = format_duration(self._limits.virtual_ns)
            how = HOW_TO_RAISE.format(name="virtual_time")
            raise Runaway(f"the run took more than {limit} of virtual time{why(ns)}\n{how}")
