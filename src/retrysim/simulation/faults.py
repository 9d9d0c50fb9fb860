"""Plays the faults of a scenario: each at its instant or its event, undone after its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from retrysim.celery.worker import Worker
from retrysim.errors import InputError
from retrysim.faults import Moment
from retrysim.faults.moment import task_id_of
from retrysim.invariants.invariant import Finding, Problem
from retrysim.nearest import did_you_mean
from retrysim.scenarios import ScenarioItem
from retrysim.scenarios.fault import BROKER, EVERYBODY, MESSAGE_VERBS, RESULTS, Fault
from retrysim.simulation.simulation import Simulation
from retrysim.trace import Event, FaultFired, WorkerStopped, is_named

#: Does one thing to the world without waiting; it is told the id of the event's task, if there is one.
Act = Callable[[str | None], None]


class FaultPlayer:
    """The faults of one item, on one simulation. ``start()`` once the workers are there; ``findings()`` at the end."""

    def __init__(self, item: ScenarioItem, sim: Simulation) -> None:
        self._item = item
        self._sim = sim
        self._faults = item.scenario.spec.faults
        self._counts = [0] * len(self._faults)
        self._waiting: dict[int, Moment] = {}

    def start(self) -> None:
        """Take everything up. Raises ``ScenarioError`` for a worker, task or endpoint that does not exist."""
        spec = self._item.scenario.spec
        for index, fault in enumerate(self._faults):
            self._check(index, fault)
            if fault.verb in MESSAGE_VERBS:
                self._add_rule(fault)
            elif fault.when is not None:
                self._waiting[index] = Moment(**fault.when.model_dump())
            elif fault.at is not None:
                self._at(fault.at.after(spec.start_ns), partial(self._fire, fault, None))
        self._sim.trace.observers.append(self._look)

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the faults themselves: one that never happened shows nothing."""
        fired = {event.name for event in self._sim.trace.of(FaultFired)}
        idle = [self._never(index, fault) for index, fault in enumerate(self._faults) if fault.label not in fired]
        if idle:
            yield Finding(invariant="every_fault_happens", problems=tuple(Problem(text=text) for text in idle))

    def _never(self, index: int, fault: Fault) -> str:
        if index in self._waiting:
            moment = self._waiting[index]
            return f"{fault.label!r} never happened: it waited for {moment}, and there were {self._counts[index]}"
        if fault.verb in MESSAGE_VERBS:
            return f"{fault.label!r} never happened: it concerned {self._sim.broker.concerned(fault.label)} messages"
        return f"{fault.label!r} never happened: the run ended first"

    # -- what does not exist -------------------------------------------------------------------------------------------

    def _check(self, index: int, fault: Fault) -> None:
        named: list[tuple[tuple[str | int, ...], str]] = []
        if isinstance(fault.target, str):
            named.append((("faults", index, fault.verb), fault.target))
        choice = fault.when if fault.when is not None else fault.target
        if fault.when is not None and fault.when.worker is not None:
            named.append((("faults", index, "when", "worker"), fault.when.worker))
        for path, name in named:
            self._check_worker(path, name)
        task = getattr(choice, "task", None)
        if task is not None and not any(is_named(known, task) for known in self._sim.known_tasks()):
            key = ("when", "task") if fault.when is not None else (fault.verb, "task")
            known = self._sim.known_tasks()
            hint = did_you_mean(task, [*known, *(name.rpartition(".")[2] for name in known)])
            raise self._item.scenario.error(("faults", index, *key), f"the app has no task {task!r}{hint}")

    def _check_worker(self, path: tuple[str | int, ...], name: str) -> None:
        allowed = {"stop": (BROKER, RESULTS), "restart": (BROKER,), "cut_connections": (EVERYBODY,)}
        workers = [worker.name for worker in self._sim.workers]
        if name not in workers and name not in allowed.get(str(path[-1]), ()):
            there = ", ".join(workers) or "none"
            raise self._item.scenario.error(path, f"no worker is named {name!r} (there is {there})")

    def _worker(self, name: str) -> Worker:
        return next(worker for worker in self._sim.workers if worker.name == name)

    # -- when ----------------------------------------------------------------------------------------------------------

    def _look(self, event: Event) -> None:
        task_id = task_id_of(event)
        name = self._sim.trace.tasks[task_id].name if task_id in self._sim.trace.tasks else ""
        for index, moment in tuple(self._waiting.items()):
            if moment.matches(event, name):
                self._counts[index] += 1
                if self._counts[index] == moment.nth:
                    del self._waiting[index]
                    self._sim.environment.intervene(partial(self._fire, self._faults[index], task_id))

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
        if target == RESULTS:
            return lambda _: sim.results.stop(name=name), lambda: sim.results.start(name=name)
        if target == BROKER:
            return self._broker_acts(fault, name)
        if fault.verb == "cut_connections":
            worker = None if target == EVERYBODY else self._worker(target)
            return lambda _: sim.broker.cut_connections(worker, name=name), None
        return self._worker_acts(fault, self._worker(target), name)

    def _broker_acts(self, fault: Fault, name: str) -> tuple[Act, Callable[[], None] | None]:
        broker = self._sim.broker
        if fault.verb == "restart":
            down_for = (fault.for_ns or 0) / 1e9
            return lambda _: broker.restart(lose_data=fault.lose_data, down_for=down_for, name=name), None
        return lambda _: broker.stop(lose_data=fault.lose_data, name=name), lambda: broker.start(name=name)

    def _worker_acts(self, fault: Fault, worker: Worker, name: str) -> tuple[Act, Callable[[], None] | None]:
        broker = self._sim.broker
        if fault.verb == "partition":
            return lambda _: broker.partition(worker, name=name), lambda: broker.repair(worker, name=name)
        restart = partial(self._restart, worker, name)
        signals = {"stop": ("SIGTERM", "warm"), "soft_stop": ("SIGQUIT", "soft"), "quit": ("SIGQUIT", "cold")}
        acts: dict[str, Act] = {
            "kill": lambda _: worker.kill(),
            "kill_child": worker.kill_child,
            "restart": lambda _: restart(),
            **{verb: partial(self._signal, worker, *how) for verb, how in signals.items()},
        }

        def do(task_id: str | None) -> None:
            acts[fault.verb](task_id)
            self._note(name, fault.verb, worker)

        return do, restart

    def _signal(self, worker: Worker, signal: str, how: str, _task_id: str | None) -> None:
        worker.signal(signal, how=how)

    def _restart(self, worker: Worker, name: str) -> None:
        """Start a worker anew: at once if it has stopped; else it is told to stop, and starts when it has."""
        if worker.stopped:
            worker.renew()
            worker.launch()
            self._note(name, "restart", worker)
            return
        worker.ask_to_stop()
        observers = self._sim.trace.observers

        def when_stopped(event: Event) -> None:
            if isinstance(event, WorkerStopped) and event.worker == worker.name:
                observers.remove(when_stopped)
                self._sim.environment.intervene(partial(self._restart, worker, name))

        observers.append(when_stopped)

    def _note(self, name: str, verb: str, worker: Worker) -> None:
        self._sim.note_fault(name, verb, worker.name)

    def _add_rule(self, fault: Fault) -> None:
        which: dict[str, Any] = fault.target.model_dump(exclude={"by_ns", "copies"})
        broker, name = self._sim.broker, fault.label
        if fault.verb == "delay":
            broker.delay(fault.target.by_ns / 1e9, name=name, **which)
        elif fault.verb == "duplicate":
            broker.duplicate(copies=fault.target.copies, name=name, **which)
        else:
            getattr(broker, fault.verb)(name=name, **which)
