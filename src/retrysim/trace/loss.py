"""Why a task is lost: what happened to its message, read from the events of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from retrysim.clock import time_of_day
from retrysim.trace.events import (
    Event,
    FaultFired,
    TaskEvent,
    TaskReceived,
    TaskSent,
    TaskStarted,
    WorkerLogged,
    WorkerStopped,
)

#: What a worker's log says of a task whose attempt Celery could not end.
OUTSIDE_ITS_BODY = "raised outside of its body"
#: How a worker ended, as a person says it.
_ENDED = {
    "killed": "was killed",
    "died": "died",
    "cold": "was shut down cold",
    "soft": "was shut down",
    "warm": "stopped",
}


class History(Protocol):
    """What is known of a task."""

    task_id: str
    events: list[TaskEvent]


def why_lost(events: Sequence[Event], task: History) -> str:
    """A phrase about a task that nothing holds any more: who had its message last, and what happened to that."""
    if not task.events:
        return "nothing is known of it but its calls"
    last = task.events[-1]
    if isinstance(last, TaskStarted | TaskReceived):
        return _dropped_by_a_worker(events, task, last)
    if isinstance(last, TaskSent):
        return _never_arrived(events, last)
    return _after_its_last_word(events, task)


def _dropped_by_a_worker(events: Sequence[Event], task: History, last: TaskStarted | TaskReceived) -> str:
    stop = next((e for e in events if isinstance(e, WorkerStopped) and _ends(e, last)), None)
    if isinstance(last, TaskStarted):
        had = f"{last.worker} ran attempt {last.attempt} of it"
        kept = "nobody has its message any more"
    else:
        had, kept = f"{last.worker} had taken its message", "nobody has that any more"
    outside = _raised_outside(events, task, last) if stop is None or stop.how == "warm" else None
    if stop is None or outside is not None:
        log = _log_line(events, task, last) if outside is None else _quoted(outside)
        return f"{had} at {time_of_day(last.at_ns)}, and dropped it{log}"
    return (
        f"{had} when it {_ENDED.get(stop.how, 'stopped')} at {time_of_day(stop.at_ns)}{_of_what(events, stop)}; {kept}"
    )


def _raised_outside(events: Sequence[Event], task: History, last: TaskStarted | TaskReceived) -> WorkerLogged | None:
    """What the worker logged if Celery itself failed around the body: the attempt is over, and has no outcome."""
    logged = (event for event in _logged(events, last.worker) if event.at_ns >= last.at_ns)
    return next((event for event in logged if task.task_id in event.text and OUTSIDE_ITS_BODY in event.text), None)


def _of_what(events: Sequence[Event], stop: WorkerStopped) -> str:
    """What a worker that died by itself logged of its end."""
    logged = _logged(events, stop.worker) if stop.how == "died" else []
    last = [event for event in logged if event.level == "CRITICAL" and event.at_ns <= stop.at_ns][-1:]
    return "".join(map(_quoted, last))


def _logged(events: Sequence[Event], worker: str) -> list[WorkerLogged]:
    return [event for event in events if isinstance(event, WorkerLogged) and event.worker == worker]


def _quoted(event: WorkerLogged) -> str:
    return f" (its log: {time_of_day(event.at_ns)} {event.text})"


def _ends(stop: WorkerStopped, last: TaskStarted | TaskReceived) -> bool:
    return stop.worker == last.worker and stop.at_ns >= last.at_ns


def _never_arrived(events: Sequence[Event], last: TaskSent) -> str:
    for event in events:
        if isinstance(event, FaultFired) and event.verb == "drop" and f"[{last.task_id}]" in event.target:
            return f"its message was dropped on its way to queue {last.queue!r} ({event.name})"
    if not last.queue:
        return (
            "its message came into no queue: none was bound to its exchange and routing key, as its publisher knew them"
        )
    return f"its message to queue {last.queue!r} is gone"


def _after_its_last_word(events: Sequence[Event], task: History) -> str:
    """After a retry, say, whose message was sent and never received."""
    sent = [event for event in task.events if isinstance(event, TaskSent)]
    if sent and task.events.index(sent[-1]) > max(_positions(task, TaskReceived), default=-1):
        return _never_arrived(events, sent[-1])
    received = [event for event in task.events if isinstance(event, TaskReceived)]
    if received:
        return _dropped_by_a_worker(events, task, received[-1])
    return "no queue, no timer and no worker holds it any more"


def _positions(task: History, kind: type[TaskEvent]) -> list[int]:
    return [position for position, event in enumerate(task.events) if isinstance(event, kind)]


def _log_line(events: Sequence[Event], task: History, last: TaskStarted | TaskReceived) -> str:
    """What the worker logged about this task; or the first that it logged after it had taken it."""
    logged = _logged(events, last.worker)
    about = [event for event in logged if task.task_id in event.text][-1:]
    after = [event for event in logged if event.at_ns >= last.at_ns][:1]
    return "".join(map(_quoted, about or after))
