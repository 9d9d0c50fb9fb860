"""A part of a trace: some tasks with all that happened to them, on some workers, with calls to some fakes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from retrysim.errors import InputError
from retrysim.nearest import did_you_mean
from retrysim.reports.words import last_part
from retrysim.trace import (
    ApiCalled,
    Event,
    TaskHistory,
    TaskReceived,
    TaskStarted,
    Trace,
    WorkerLogged,
    WorkerReady,
    WorkerStopped,
    is_named,
)
from retrysim.trace.events import TaskEvent


def selected(
    trace: Trace, *, tasks: Sequence[str] = (), workers: Sequence[str] = (), fakes: Sequence[str] = ()
) -> Trace:
    """The trace of the tasks that have one of the names or ids, were on one of the workers and called one of the fakes.

    Empty means all. What belongs to no task stays, unless it is of another worker or fake. Raises ``InputError`` for a
    name that the trace does not have.
    """
    known = list(trace.tasks.values())
    strangers = [name for name in tasks if not any(_is_meant(task, name) for task in known)]
    _refuse("task", strangers, [last_part(task.name) for task in known])
    _refuse("worker", set(workers).difference(_workers(trace)), _workers(trace))
    called = [call.fake for call in trace.of(ApiCalled)]
    _refuse("fake", set(fakes).difference(called), called)
    chosen = {
        task.task_id
        for task in trace.tasks.values()
        if (not tasks or any(_is_meant(task, name) for name in tasks))
        and (not workers or any(_worker_of(event) in workers for event in task.events))
        and (not fakes or any(call.fake in fakes for call in task.api_calls))
    }
    narrow = bool(tasks or workers or fakes)
    events = [event for event in trace if not narrow or _stays(event, chosen, bool(tasks), workers, fakes)]
    return Trace(seed=trace.seed, start_ns=trace.start_ns, events=events)


def _stays(event: Event, chosen: set[str], by_task: bool, workers: Sequence[str], fakes: Sequence[str]) -> bool:
    if isinstance(event, ApiCalled):
        mine = event.task_id in chosen if event.task_id is not None else not by_task
        return mine and (not fakes or event.fake in fakes)
    if isinstance(event, TaskEvent):
        return event.task_id in chosen
    if isinstance(event, WorkerReady | WorkerStopped | WorkerLogged):
        return not workers or event.worker in workers
    return True


def _worker_of(event: Event) -> str | None:
    return event.worker if isinstance(event, TaskReceived | TaskStarted) else None


def _workers(trace: Trace) -> list[str]:
    named = (event.worker for event in trace if isinstance(event, WorkerReady | TaskReceived | TaskStarted))
    return list(dict.fromkeys(named))


def _is_meant(task: TaskHistory, name: str) -> bool:
    return is_named(task.name, name) or (len(name) >= 4 and task.task_id.startswith(name))


def _refuse(kind: str, strangers: Iterable[str], known: Iterable[str]) -> None:
    """Raises for the first name that the trace does not have."""
    for name in sorted(strangers):
        names = list(dict.fromkeys(known))
        has = f" (it has {', '.join(names) or 'none'})"
        raise InputError(f"no {kind} {name!r} in this trace{did_you_mean(name, names) or has}")
