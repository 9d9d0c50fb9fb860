"""Plays the faults of a scenario on a live run: real signals, a Redis that goes down, a cut way, troubled calls."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from retrysim.clock import WallClock
from retrysim.errors import InputError
from retrysim.faults import CallRule, CallRules, Moment
from retrysim.faults.moment import AwaitedMoments
from retrysim.faults.targets import BROKER, EVERYBODY
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.live.crew import WorkerProcess
from retrysim.live.server import PrivateRedis
from retrysim.live.way import Way
from retrysim.scenarios.fault import Fault
from retrysim.trace import Event, FaultFired, Trace

if TYPE_CHECKING:
    from retrysim.live.stage import Stage

Act = Callable[[], None]
_SIGNALS = {"stop": (signal.SIGTERM, "warm"), "soft_stop": (signal.SIGQUIT, "soft"), "quit": (signal.SIGQUIT, "cold")}


class FaultPlayer:
    """The faults of one item on one stage; ``playable.py`` says which cannot be played."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._faults = stage.item.scenario.spec.faults
        self._events = Trace()
        self._fired: set[str] = set()
        self._moments = AwaitedMoments(self._come)
        self._rules = CallRules(self._note_trouble)
        self._ways: dict[str, Way] = {}
        self._server: PrivateRedis | None = None

    # -- what has to stand between -------------------------------------------------------------------------------------

    def broker_url(self, given: str) -> str:
        """The broker that the run uses: one of its own, if a fault stops it."""
        if not any(fault.target == BROKER for fault in self._faults):
            return given
        self._server = PrivateRedis(self._stage.order.folder, self._stage.order.scale)
        self._server.start()
        return self._server.url

    def way_to(self, broker_url: str, worker: str) -> str:
        """The URL at which a worker reaches the broker: over a proxy, if a fault is to strike between them."""
        struck = {fault.target for fault in self._faults if fault.verb in ("partition", "cut_connections")}
        if not struck & {worker, EVERYBODY}:
            return broker_url
        self._ways[worker] = Way(broker_url)
        return self._ways[worker].url

    def close(self) -> None:
        for way in self._ways.values():
            way.close()
        if self._server is not None:
            self._server.stop()

    # -- when ----------------------------------------------------------------------------------------------------------

    def start(self, origin_ns: int) -> None:
        """Take everything up; ``origin_ns`` is the instant at which the scenario starts."""
        start_ns = self._stage.item.scenario.spec.start_ns
        for index, fault in enumerate(self._faults):
            if fault.trouble is not None:
                self._rules.add(CallRule(name=fault.label, **fault.trouble.model_dump()))
            elif fault.when is not None:
                self._moments.add(index, Moment(**fault.when.model_dump(exclude={"after_ns"})))
            elif fault.at is not None:
                due_ns = origin_ns + fault.at.after(start_ns) - start_ns
                self._stage.agenda.add(due_ns, partial(self._fire, fault, None))
        self._stage.collector.observers.append(self._look)
        for fake in self._stage.collector.fakes if self._rules else ():
            fake.struck = self._struck

    def _struck(self, endpoint: str) -> list[tuple[str, int]]:
        """The troubles that meet the call which is answered in this thread."""
        task_id, attempt = self._stage.collector.caller()
        return self._rules.judge(endpoint, self._events.tasks.get(task_id or ""), attempt)

    def _look(self, event: Event) -> None:
        self._events.append(event)
        self._moments.look(event, self._events)

    def _come(self, index: int, task_id: str | None) -> None:
        """The event is there: break at once, or so much later."""
        fault = self._faults[index]
        if fault.when is not None and fault.when.after_ns:
            self._stage.agenda.add(WallClock().now_ns() + fault.when.after_ns, partial(self._fire, fault, task_id))
        else:
            self._fire(fault, task_id)

    def _fire(self, fault: Fault, task_id: str | None) -> None:
        do, undo = self._acts(fault, task_id)
        try:
            do()
        except (OSError, InputError) as error:
            self._stage.collector.trouble.append(("LiveError", f"the fault {fault.label!r} could not strike: {error}"))
            return
        if undo is not None and fault.for_ns is not None:
            self._stage.agenda.add(WallClock().now_ns() + fault.for_ns, undo)

    def findings(self) -> Iterator[BrokenInvariant]:
        """A fault that never happened shows nothing."""
        idle = [
            f"{fault.label!r} never happened: {self._missing(index, fault)}"
            for index, fault in enumerate(self._faults)
            if fault.label not in self._fired
        ]
        if idle:
            yield BrokenInvariant(invariant="every_fault_happens", problems=tuple(Problem(text=text) for text in idle))

    def _missing(self, index: int, fault: Fault) -> str:
        if fault.trouble is not None:
            return f"it concerned {self._rules.concerned(fault.label)} calls"
        return self._moments.missing(index) or "the run ended first"

    # -- what ----------------------------------------------------------------------------------------------------------

    def _acts(self, fault: Fault, task_id: str | None) -> tuple[Act, Act | None]:
        """What a fault does, and what undoes it."""
        if fault.target == BROKER:
            return self._broker_acts(fault)
        if fault.verb == "cut_connections":
            return partial(self._cut, fault), None
        worker = next(one for one in self._stage.crew if one.name == fault.target)
        if fault.verb == "partition":
            way, note = self._ways[worker.name], partial(self._note, fault)
            return partial(_both, note, way.hold), partial(_both, partial(note, "repair"), way.release)
        if fault.verb == "deploy":
            return partial(self._deploy, fault, worker), None
        return partial(self._strike, fault, worker, task_id), partial(self._restart, fault, worker)

    def _broker_acts(self, fault: Fault) -> tuple[Act, Act | None]:
        server = self._server
        assert server is not None, "it was started before the workers"

        def stop() -> None:
            server.stop(lose_data=fault.lose_data)
            self._note(fault, "stop")

        def start() -> None:
            server.start()
            self._note(fault, "start")

        if fault.verb == "restart" and fault.for_ns is None:
            return partial(_both, stop, start), None
        return stop, start

    def _cut(self, fault: Fault) -> None:
        for name, way in self._ways.items():
            if fault.target in (name, EVERYBODY):
                way.cut()
        self._note(fault)

    def _strike(self, fault: Fault, worker: WorkerProcess, task_id: str | None) -> None:
        if fault.verb == "restart":
            self._restart(fault, worker)
            return
        if fault.verb == "kill":
            worker.kill()
        elif fault.verb == "kill_child":
            os.kill(self._stage.collector.process_of(worker.name, task_id), signal.SIGKILL)
        else:
            number, how = _SIGNALS[fault.verb]
            worker.signal(number, how=how)
        self._note(fault)

    def _deploy(self, fault: Fault, worker: WorkerProcess) -> None:
        """SIGTERM, SIGKILL if that was not enough, and a new worker when the old one is gone."""
        until_ns = WallClock().now_ns() + fault.grace_ns
        worker.ask_to_stop()
        self._note(fault)

        def look() -> None:
            if worker.runs and WallClock().now_ns() >= until_ns:
                worker.kill()
                self._note(fault, "kill")
            if worker.runs:
                self._stage.agenda.add(min(until_ns, WallClock().now_ns() + 1), look)
            else:
                self._restart(fault, worker)

        look()

    def _restart(self, fault: Fault, worker: WorkerProcess) -> None:
        """Start a worker anew when it has stopped; one that runs is stopped first."""
        if worker.runs:
            worker.ask_to_stop()
            self._stage.agenda.add(WallClock().now_ns() + 1, partial(self._restart, fault, worker))
            return
        worker.note_end()
        worker.start()
        self._note(fault, "restart")

    def _note(self, fault: Fault, verb: str | None = None) -> None:
        self._record(WallClock().now_ns(), fault.label, verb or fault.verb, str(fault.target))

    def _note_trouble(self, rule: CallRule, endpoint: str) -> None:
        """At the instant of its call: an invariant looks which call comes next."""
        self._record(self._stage.collector.called_ns, rule.name, rule.kind, endpoint)

    def _record(self, at_ns: int, name: str, verb: str, target: str) -> None:
        self._fired.add(name)
        self._stage.collector.append(FaultFired(at_ns=at_ns, name=name, verb=verb, target=target))


def _both(one: Act, other: Act) -> None:
    one()
    other()
