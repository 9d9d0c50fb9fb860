"""Plays the faults of a scenario: each at its instant or its event, undone after its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from retrysim.celery.worker import Worker
from retrysim.errors import InputError
from retrysim.fakes.fake import Fake
from retrysim.faults import Moment
from retrysim.faults.moment import AwaitedMoments, split_task
from retrysim.faults.targets import BROKER, EVERYBODY, RESULTS, SENDER
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.nearest import task_meant
from retrysim.scenarios import Scenario
from retrysim.scenarios.fault import CHOOSING_VERBS, Fault
from retrysim.simulation.route_verbs import RouteVerbs
from retrysim.simulation.simulation import Simulation
from retrysim.trace import Event, FaultFired, WorkerStopped, is_named

#: Verbs of the way to a server that concern one worker or all.
_OF_MANY = ("cut_connections", "cut_in_mid_answer", "slow_down")
#: Does one thing to the world without waiting; it is told the id of the event's task, if there is one.
Act = Callable[[str | None], None]


class FaultPlayer:
    """Faults, on one simulation. ``start()`` once the workers are there; ``findings()`` at the end.

    With a ``scenario`` a name that does not exist is an error at its place in the file; else workers may come later.
    ``fakes`` are those that are served, by the names that the file gives them.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        sim: Simulation,
        *,
        start_ns: int,
        scenario: Scenario | None = None,
        fakes: Mapping[str, Fake] = MappingProxyType({}),
    ) -> None:
        self._fakes = fakes
        self._scenario = scenario
        self._sim = sim
        self._start_ns = start_ns
        self._faults = faults
        self._moments = AwaitedMoments(self._come)

    def start(self) -> None:
        """Take everything up. Raises ``ScenarioError`` for a worker, task or endpoint that does not exist."""
        for index, fault in enumerate(self._faults):
            if self._scenario is not None:
                self._check(self._scenario, index, fault)
            if fault.verb in CHOOSING_VERBS:
                self._add_rule(fault)
            elif fault.when is not None:
                self._moments.add(index, Moment(**fault.when.model_dump(exclude={"after_ns"})))
            elif fault.at is not None:
                self._at(fault.at.after(self._start_ns), partial(self._fire, fault, None))
        self._sim.trace.observers.append(self._look)

    def findings(self) -> Iterator[BrokenInvariant]:
        """What is wrong with the faults themselves: one that never happened shows nothing."""
        fired = {event.name for event in self._sim.trace.of(FaultFired)}
        idle = [self._never(index, fault) for index, fault in enumerate(self._faults) if fault.label not in fired]
        if idle:
            yield BrokenInvariant(invariant="every_fault_happens", problems=tuple(Problem(text=text) for text in idle))

    def _never(self, index: int, fault: Fault) -> str:
        missing = self._moments.missing(index)
        if missing is not None:
            return f"{fault.label!r} never happened: {missing}"
        if fault.verb == "trouble":
            return f"{fault.label!r} never happened: it concerned {self._sim.troubled(fault.label)} calls"
        if fault.verb in CHOOSING_VERBS:
            return f"{fault.label!r} never happened: it concerned {self._sim.broker.concerned(fault.label)} messages"
        return f"{fault.label!r} never happened: the run ended first"

    # -- what does not exist -------------------------------------------------------------------------------------------

    def _check(self, scenario: Scenario, index: int, fault: Fault) -> None:
        named: list[tuple[tuple[str | int, ...], str]] = []
        if isinstance(fault.target, str):
            named.append((("faults", index, fault.verb), fault.target))
        choice = fault.when if fault.when is not None else fault.target
        if fault.when is not None and fault.when.worker is not None:
            named.append((("faults", index, "when", "worker"), fault.when.worker))
        for path, name in named:
            self._check_worker(scenario, path, name)
        task = getattr(choice, "task", None)
        task = None if task is None else split_task(task)[0]
        if task is not None and not any(is_named(known, task) for known in self._sim.known_tasks()):
            key = ("when", "task") if fault.when is not None else (fault.verb, "task")
            meant = task_meant(task, self._sim.known_tasks())
            raise scenario.error(("faults", index, *key), f"the app has no task {task!r}{meant}")

    def _check_worker(self, scenario: Scenario, path: tuple[str | int, ...], name: str) -> None:
        allowed = {"stop": (BROKER, RESULTS), "restart": (BROKER,), "raise_alarm": (BROKER,), "skew_clock": (SENDER,)}
        allowed |= dict.fromkeys((*_OF_MANY, "close_connections"), (EVERYBODY,))
        fakes = self._fakes if path[-1] in ("stop", "restart") else ()
        workers = [worker.name for worker in self._sim.workers]
        if name not in (*workers, *fakes, *allowed.get(str(path[-1]), ())):
            there = ", ".join(workers) or "none"
            raise scenario.error(path, f"no worker is named {name!r} (there is {there})")

    def _is_a_worker(self, name: str) -> bool:
        return any(worker.name == name for worker in self._sim.workers)

    def _worker(self, name: str) -> Worker:
        return next(worker for worker in self._sim.workers if worker.name == name)

    # -- when ----------------------------------------------------------------------------------------------------------

    def _look(self, event: Event) -> None:
        self._moments.look(event, self._sim.trace)

    def _come(self, index: int, task_id: str | None) -> None:
        """The event is there: break at once, or so much later."""
        fault = self._faults[index]
        fire = partial(self._fire, fault, task_id)
        if fault.when is not None and fault.when.after_ns:
            self._at(self._sim.environment.clock.ns + fault.when.after_ns, fire)
        else:
            self._sim.environment.intervene(fire)

    def _fire(self, fault: Fault, task_id: str | None) -> None:
        do, undo = self._acts(fault)
        try:
            do(task_id)
        except InputError as error:  # the worker is gone already, or runs no task
            self._sim.environment.fail(error)
            return
        if undo is not None and fault.for_ns is not None:
            self._at(self._sim.environment.clock.ns + fault.for_ns, undo)

    def _at(self, ns: int, act: Callable[[], None]) -> None:
        environment = self._sim.environment
        environment.schedule(ns, partial(environment.intervene, act))

    # -- what ----------------------------------------------------------------------------------------------------------

    def _acts(self, fault: Fault) -> tuple[Act, Callable[[], None] | None]:
        """What a fault does, and what undoes it."""
        sim, name, target = self._sim, fault.label, fault.target
        if fault.verb == "slow_results":
            return lambda _: sim.results.slow(target / 1e9, name=name), lambda: sim.results.slow(0, name=name)
        if fault.verb == "skew_clock":
            host = None if target == SENDER else self._worker(target)
            skew = partial(sim.skew_clock, host=host, name=name)
            return lambda _: skew((fault.by_ns or 0) / 1e9), lambda: skew(0)
        if target == RESULTS:
            return lambda _: sim.results.stop(name=name), lambda: sim.results.start(name=name)
        if fault.verb == "raise_alarm":
            return lambda _: sim.broker.raise_alarm(name=name), lambda: sim.broker.clear_alarm(name=name)
        if fault.verb in ("stop", "restart") and not self._is_a_worker(target):
            return self._server_acts(fault, sim.broker if target == BROKER else sim.api(self._fakes[target]), name)
        if fault.verb in (*_OF_MANY, "close_connections"):
            worker = None if target == EVERYBODY else self._worker(target)
            return self._route_acts(fault, worker, name)
        return self._worker_acts(fault, self._worker(target), name)

    def _server_of(self, fault: Fault) -> Any:
        return self._sim.broker if fault.server is None else self._sim.api(self._fakes[fault.server])

    def _server_acts(self, fault: Fault, server: RouteVerbs, name: str) -> tuple[Act, Callable[[], None] | None]:
        if fault.verb == "restart":
            down_for = (fault.for_ns or 0) / 1e9
            return lambda _: server.restart(lose_data=fault.lose_data, down_for=down_for, name=name), None
        return lambda _: server.stop(lose_data=fault.lose_data, name=name), lambda: server.start(name=name)

    def _route_acts(self, fault: Fault, worker: Worker | None, name: str) -> tuple[Act, Callable[[], None] | None]:
        """Faults of the way between a server and one worker, or all."""
        server = self._server_of(fault)
        if fault.verb != "slow_down":
            act = getattr(server, fault.verb)
            return lambda _: act(worker, name=name), None
        undos: list[Callable[[], None]] = []
        by = (fault.by_ns or 0) / 1e9

        def undo() -> None:
            undos.pop()()
            self._sim.note_fault(name, "slow_down ends", str(fault.target))

        return lambda _: undos.append(server.slow_down(by, worker, name=name)), undo

    def _worker_acts(self, fault: Fault, worker: Worker, name: str) -> tuple[Act, Callable[[], None] | None]:
        if fault.verb == "partition":
            server = self._server_of(fault)
            return lambda _: server.partition(worker, name=name), lambda: server.repair(worker, name=name)
        restart = partial(self._restart, worker, name)
        signals = {"stop": ("SIGTERM", "warm"), "soft_stop": ("SIGQUIT", "soft"), "quit": ("SIGQUIT", "cold")}
        acts: dict[str, Act] = {
            "kill": lambda _: worker.kill(),
            "kill_child": worker.kill_child,
            "restart": lambda _: restart(),
            "deploy": lambda _: self._deploy(worker, fault.grace_ns, name),
            **{verb: partial(self._signal, worker, *how) for verb, how in signals.items()},
        }

        def do(task_id: str | None) -> None:
            acts[fault.verb](task_id)
            self._note(name, fault.verb, worker)

        return do, restart if fault.verb != "deploy" else None

    def _deploy(self, worker: Worker, grace_ns: int, name: str) -> None:
        """SIGTERM, SIGKILL if that was not enough, and a new worker when the old one is gone."""
        gone = self._when_stopped(worker, partial(self._restart, worker, name))
        worker.ask_to_stop()

        def lose_patience() -> None:
            if not gone:
                worker.kill()
                self._note(name, "kill", worker)

        self._at(self._sim.environment.clock.ns + grace_ns, lose_patience)

    def _signal(self, worker: Worker, signal: str, how: str, _task_id: str | None) -> None:
        worker.signal(signal, how=how)

    def _restart(self, worker: Worker, name: str) -> None:
        """Start a worker anew: at once if it has stopped; else it is asked to stop, and starts when it has."""
        if worker.stopped:
            worker.renew()
            worker.launch()
            self._note(name, "restart", worker)
            return
        worker.ask_to_stop()
        self._when_stopped(worker, partial(self._restart, worker, name))

    def _when_stopped(self, worker: Worker, act: Callable[[], None]) -> list[Event]:
        """Act when the worker has stopped; the list then holds the event that said so."""
        observers, gone = self._sim.trace.observers, list[Event]()

        def when_stopped(event: Event) -> None:
            if isinstance(event, WorkerStopped) and event.worker == worker.name:
                gone.append(event)
                observers.remove(when_stopped)
                self._sim.environment.intervene(act)

        observers.append(when_stopped)
        return gone

    def _note(self, name: str, verb: str, worker: Worker) -> None:
        self._sim.note_fault(name, verb, worker.name)

    def _add_rule(self, fault: Fault) -> None:
        if fault.trouble is not None:
            given = fault.trouble.model_dump(exclude={"by_ns"})
            self._sim.trouble(**given, by=fault.trouble.by_ns / 1e9, name=fault.label)
            return
        which: dict[str, Any] = fault.target.model_dump(exclude={"by_ns", "copies"})
        broker, name = self._sim.broker, fault.label
        if fault.verb == "delay":
            broker.delay(fault.target.by_ns / 1e9, name=name, **which)
        elif fault.verb == "duplicate":
            broker.duplicate(copies=fault.target.copies, name=name, **which)
        else:
            getattr(broker, fault.verb)(name=name, **which)
