"""Decides ties: which host goes first where several could go on at one instant.

Only hosts are distinguished (workers, the client of the scenario, beats): what runs on one keeps its order. Each order
of two hosts is one that real machines have, too, for nothing between them says who is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from retrysim.clock import VirtualClock
from retrysim.durations import format_duration
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.kernel import Environment, Role
from retrysim.kernel.process import Process
from retrysim.scenarios.order import OrderDecision

#: (instant from the start in ns, number of the tie at that instant, the hosts) -> which of them goes first.
Pick = Callable[[int, int, Sequence[str]], str]


def host_of(process: Process) -> str:
    """The name of the machine that a process runs on: a worker's, or its own."""
    return process.name if process.host.role is Role.TEST else process.host.machine


class Ties:
    """Finds the ties of a run and asks ``pick`` about each; ``taken`` are those where not the first one went on."""

    def __init__(self, clock: VirtualClock, pick: Pick) -> None:
        self._clock = clock
        self._pick = pick
        self._at_ns = -1
        self._number = 0
        self.taken: list[tuple[int, int, str]] = []
        #: every tie: its instant, its number, and the hosts
        self.all: list[tuple[int, int, tuple[str, ...]]] = []

    def noted(self) -> dict[str, Any]:
        """The ties that were decided, as a scenario file has them, and all ties."""
        order = [
            {"at": format_duration(at_ns), **({"tie": number} if number > 1 else {}), "next": host}
            for at_ns, number, host in self.taken
        ]
        return {"order": order, "ties": self.all}

    def choose(self, ready: Sequence[Process]) -> Process:
        first: dict[str, Process] = {}
        for process in ready:
            first.setdefault(host_of(process), process)
        if len(first) == 1:
            return ready[0]
        at_ns = self._clock.ns - self._clock.start_ns
        self._number = self._number + 1 if at_ns == self._at_ns else 1
        self._at_ns = at_ns
        hosts = tuple(first)
        self.all.append((at_ns, self._number, hosts))
        chosen = self._pick(at_ns, self._number, hosts)
        if chosen != hosts[0]:
            self.taken.append((at_ns, self._number, chosen))
        return first[chosen]


class OrderPlayer:
    """Plays the ``order`` of a scenario; ``findings()`` at the end."""

    def __init__(self, decisions: Sequence[OrderDecision], environment: Environment) -> None:
        self._wanted = {(one.at_ns, one.tie): one for one in decisions}
        self._unapplied = dict(self._wanted)
        self._environment = environment

    def start(self) -> None:
        if self._wanted:
            self._environment.choose = Ties(self._environment.clock, self._pick).choose

    def _pick(self, at_ns: int, number: int, hosts: Sequence[str]) -> str:
        wanted = self._wanted.get((at_ns, number))
        if wanted is None or wanted.next not in hosts:
            return hosts[0]
        self._unapplied.pop((at_ns, number), None)
        return wanted.next

    def findings(self) -> Iterator[BrokenInvariant]:
        """A decision that found no place shows nothing."""
        texts = [
            f"tie {one.tie} at {format_duration(one.at_ns)}: {one.next} was not among those that could go first"
            for one in self._unapplied.values()
        ]
        if texts:
            yield BrokenInvariant(
                invariant="every_decision_applies", problems=tuple(Problem(text=text) for text in texts)
            )
