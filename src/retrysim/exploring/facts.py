"""The facts of one run, read off its trace: the outcome of each task, and which states the run went through."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

from retrysim.exploring.points import label_of, points_of
from retrysim.exploring.trial import TERMINATED, TaskFacts, Trial, TrialResult
from retrysim.invariants.effects import effects_of
from retrysim.invariants.invariant import BrokenInvariant
from retrysim.trace import (
    ApiCalled,
    FaultFired,
    TaskHistory,
    TaskReceived,
    TaskRevoked,
    TaskSent,
    TaskStarted,
    TaskSucceeded,
    Trace,
    dump_ndjson,
)
from retrysim.trace.events import TaskEvent, WorkerReady, WorkerStopped
from retrysim.trace.history import STATES

#: Findings of a run that say what the facts say, too.
_SAID = (
    "every_task_settles",
    "no_task_is_lost",
    "no_task_fails",
    "quota_is_respected",
    "every_fault_happens",
    "every_task_is_sent",
    "every_decision_applies",
)
#: Findings about decisions that found no place.
_NO_PLACE = ("every_fault_happens", "every_decision_applies")
#: Methods that HTTP itself calls harmless to repeat (RFC 9110, 9.2.2).
_IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


def facts(trace: Trace, findings: Sequence[BrokenInvariant], elapsed_ns: int, trial: Trial) -> TrialResult:
    """The outcome of a run that did not hold to ``findings``."""
    lost, effects = trace.lost(), _effects(trace)
    text = dump_ndjson(trace) if trial.wants_trace or trial.draw else ""
    labels = {task_id: label_of(task) for task_id, task in trace.tasks.items()}
    problems = [(finding, problem) for finding in findings for problem in finding.problems]
    stuck = [problem.text for finding, problem in problems if finding.invariant in ("Deadlock", "Runaway")]
    unapplied = [problem.text for finding, problem in problems if finding.invariant in _NO_PLACE]
    broken = [
        (finding.invariant, labels.get(problem.task_id or ""), problem.text)
        for finding, problem in problems
        if finding.invariant.partition("(")[0] not in (*_SAID, "Deadlock", "Runaway")
        and not problem.text.startswith("vacuous")
    ]
    return TrialResult(
        tasks={
            labels[task_id]: _task(trace, task, lost.get(task_id), effects.get(task_id, {}))
            for task_id, task in trace.tasks.items()
        },
        unsent=sum(finding.invariant == "every_task_is_sent" for finding, _ in problems),
        stuck=stuck[0] if stuck else None,
        broken=broken,
        unapplied=unapplied[0] if unapplied else None,
        states=states_of(trace),
        calls=len(trace.of(ApiCalled)),
        end_ns=elapsed_ns,
        points=[point.as_dict() for point in points_of(trace, after=_first_fault(trace))] if trial.wants_points else (),
        trace=text if trial.wants_trace else "",
        digest=hashlib.sha256(text.encode()).hexdigest() if text else "",
    )


def _first_fault(trace: Trace) -> int:
    return next((position for position, event in enumerate(trace) if isinstance(event, FaultFired)), 0)


def _task(trace: Trace, task: TaskHistory, lost: str | None, effects: Mapping[str, int]) -> TaskFacts:
    return TaskFacts(
        name=task.name,
        state=task.state,
        sent_ns=(task.sent_at_ns or trace.start_ns) - trace.start_ns,
        settled_ns=None if task.settled_at_ns is None else task.settled_at_ns - trace.start_ns,
        successes=sum(isinstance(event, TaskSucceeded) for event in task.events),
        attempts=len(task.attempts),
        effects=effects,
        silent=not task.api_calls,
        lost=lost,
        failure=_failure(task),
    )


def _failure(task: TaskHistory) -> str:
    if task.failure is not None:
        return task.failure.exception
    return TERMINATED if any(isinstance(event, TaskRevoked) and event.terminated for event in task.events) else ""


def _effects(trace: Trace) -> dict[str, dict[str, int]]:
    """By task id and endpoint, how many calls had an effect which a repeat has again."""
    effects: dict[str, dict[str, int]] = {}
    for (task_id, endpoint), count in effects_of(trace).items():
        if endpoint.partition(" ")[0] not in _IDEMPOTENT:
            effects.setdefault(task_id, {})[endpoint] = count
    return effects


def states_of(trace: Trace) -> frozenset[int]:
    """A number for each state that a run went through: how many tasks of a name were where, and which workers ran.

    Where a task's message lies follows from the task's own last event: sent and not received, it is in a queue;
    received and not started, with a worker; started, unacked or not as the app has it.
    """
    where: dict[str, tuple[str, str, int]] = {}
    counts: Counter[tuple[str, str, int]] = Counter()
    workers: Counter[str] = Counter()
    limits: dict[str, bool] = {}
    seen: set[int] = set()
    for event in trace:
        if isinstance(event, WorkerReady | WorkerStopped):
            workers[event.worker] = int(isinstance(event, WorkerReady))
        elif isinstance(event, ApiCalled):
            limits[event.bucket] = event.remaining == 0
            _call(event, where, counts)
        if isinstance(event, TaskEvent):
            _move(trace, event, where, counts)
        key = (sorted((+counts).items()), sorted(workers.items()), sorted(limits.items()))
        seen.add(zlib.crc32(repr(key).encode()))
    return frozenset(seen)


def _call(call: ApiCalled, where: dict[str, tuple[str, str, int]], counts: Counter[tuple[str, str, int]]) -> None:
    """A task that calls is where it was, and further: behind that call, with that answer."""
    before = where.get(call.task_id or "")
    if before is not None:
        now = (before[0], f"{call.endpoint} {call.answer}", before[2])
        counts[before] -= 1
        counts[now] += 1
        where[call.task_id or ""] = now


def _move(
    trace: Trace, event: TaskEvent, where: dict[str, tuple[str, str, int]], counts: Counter[tuple[str, str, int]]
) -> None:
    before = where.get(event.task_id)
    word = STATES.get(type(event)) or event.kind
    number = before[2] if before else 0
    if isinstance(event, TaskStarted):
        number = event.attempt
    elif isinstance(event, TaskSent | TaskReceived):
        number = max(number, 0)
    now = (trace.tasks[event.task_id].name, word, min(number, 5))
    if before is not None:
        counts[before] -= 1
    counts[now] += 1
    where[event.task_id] = now
