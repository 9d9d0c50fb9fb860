"""The rules that hold between the keys of a fault, and between it and the rest of its scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from retrysim.faults.targets import BROKER, EVERYBODY, RESULTS
from retrysim.nearest import did_you_mean
from retrysim.scenarios.fault import (
    CHOOSING_VERBS,
    RABBITMQ_VERBS,
    SERVER_VERBS,
    VERBS,
    WORKER_VERBS,
    Fault,
    FaultMoment,
)

if TYPE_CHECKING:
    from retrysim.scenarios.document import KeyPath
    from retrysim.scenarios.schema import ScenarioSpec

Broken = Iterator[tuple["KeyPath", str]]

_UNDONE = (
    "kill", "stop", "soft_stop", "quit", "partition", "slow_down", "restart", "raise_alarm", "slow_results",
    "skew_clock",
)  # fmt: skip
#: The events that know whose they are.
_ON_WORKERS = ("worker-ready", "worker-stopped", "task-received", "task-started")
_WITH_ATTEMPT = ("task-started", "api-called")


def broken_fault_rules(spec: ScenarioSpec) -> Broken:
    """What is wrong with the faults of a scenario: (the way to it, a sentence)."""
    names: set[str] = set()
    for index, fault in enumerate(spec.faults):
        path = ("faults", index)
        verbs = [key for key in fault.given if key in (*VERBS, *CHOOSING_VERBS)]
        if len(verbs) != 1:
            yield path, _not_one_verb(verbs)
            continue
        if fault.label in names:
            yield (*path, "name"), f"another fault is called {fault.label!r}; give this one a name of its own"
        names.add(fault.label)
        yield from _time(spec, fault, path)
        yield from _extras(spec, fault, path)
        yield from _moment(fault.when, (*path, "when"))
        yield from _possible(spec, fault, (*path, fault.verb))


def _not_one_verb(verbs: list[str]) -> str:
    if verbs:
        return f"{' and '.join(verbs)} are two faults; give each an entry of its own"
    return "does nothing; expected one of " + ", ".join((*VERBS, *CHOOSING_VERBS))


def _time(spec: ScenarioSpec, fault: Fault, path: KeyPath) -> Broken:
    given = [key for key in ("at", "when") if key in fault.given]
    if fault.verb in CHOOSING_VERBS:
        what = "calls when they are made" if fault.verb == "trouble" else "messages when they are published"
        for key in given:
            yield (*path, key), f"{fault.verb} strikes {what}; choose them by nth and times"
    elif len(given) == 2:
        yield (*path, "when"), "at is given too; keep one of them"
    elif not given:
        yield path, "never happens; say when: an instant (at: 30s), or an event (when: {event: task-started})"
    if fault.at is not None and fault.at.after(spec.start_ns) < spec.start_ns:
        yield (*path, "at"), "is before the start; a fault happens at the start or later"


def _extras(spec: ScenarioSpec, fault: Fault, path: KeyPath) -> Broken:
    if "for" in fault.given and fault.verb not in _UNDONE:
        yield (*path, "for"), f"{fault.verb} is over at once; there is nothing to undo"
    if "for" in fault.given and fault.verb == "restart" and fault.target not in (BROKER, *spec.fakes):
        yield (
            (*path, "for"),
            "is for the broker and for fakes; to start a worker again later, write stop or kill with for",
        )
    if fault.trouble is not None and ("by" in fault.trouble.given) != (fault.trouble.kind == "slow"):
        yield (*path, "trouble"), "by is for kind: slow, which needs it"
    if ("by" in fault.given) != (fault.verb in ("skew_clock", "slow_down")):
        yield (*path, "by" if "by" in fault.given else fault.verb), "by is for skew_clock and slow_down, which need it"
    elif fault.verb == "slow_down" and (fault.by_ns or 0) <= 0:
        yield (*path, "by"), "must be more than 0"
    if fault.server is not None and fault.verb not in SERVER_VERBS:
        yield (*path, "from"), f"is for {', '.join(SERVER_VERBS)}"
    elif fault.server is not None and fault.server not in spec.fakes:
        hint = did_you_mean(fault.server, list(spec.fakes))
        yield (*path, "from"), f"no fake is named {fault.server!r}{hint or '; fakes lists them'}"
    if "grace" in fault.given and fault.verb != "deploy":
        yield (*path, "grace"), "is for deploy"
    if "lose_data" in fault.given and (fault.verb not in ("stop", "restart") or fault.target != BROKER):
        yield (*path, "lose_data"), "is for stop: broker and restart: broker"


def _moment(moment: FaultMoment | None, path: KeyPath) -> Broken:
    """An event that can never come: one that has not what is asked of it."""
    if moment is None:
        return
    asked = {
        "worker": _ON_WORKERS,
        "endpoint": ("api-called",),
        "answer": ("api-called",),
        "attempt": _WITH_ATTEMPT,
    }
    for key, events in asked.items():
        if key in moment.given and moment.event not in events:
            yield (
                (*path, key),
                f"{moment.event} has no {key}, so this never comes true; ask it of {' or '.join(events)}",
            )
    if "task" in moment.given and not moment.event.startswith(("task-", "api-")):
        yield (*path, "task"), f"{moment.event} belongs to no task, so this never comes true"


def _possible(spec: ScenarioSpec, fault: Fault, path: KeyPath) -> Broken:
    others = [broker for broker in spec.broker or () if not broker.startswith("rabbitmq")]
    needs_server = (fault.verb in SERVER_VERBS and fault.server is None) or fault.target == BROKER
    if fault.verb in RABBITMQ_VERBS and (spec.broker is None or others):
        yield path, "is for RabbitMQ; write broker: rabbitmq"
    elif needs_server and (spec.broker is None or "memory" in spec.broker):
        yield path, "needs a broker that can break; write broker: redis or broker: rabbitmq"
    if fault.verb in CHOOSING_VERBS or fault.verb == "slow_results":
        return
    if "worker" not in spec.celery:
        yield path, "no item runs a worker; add worker to celery, or remove this"
    if fault.verb in WORKER_VERBS and fault.target in (BROKER, RESULTS, EVERYBODY):
        yield path, f"{fault.verb} is for a worker, such as worker-1"
