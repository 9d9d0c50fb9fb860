"""Sees when nothing more will happen in a live run, by what the trace and the broker hold: it is *idle*."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable

from retrysim.clock import WallClock
from retrysim.durations import SECOND, format_duration
from retrysim.live.namespace import Namespace
from retrysim.trace import (
    Event,
    TaskHistory,
    TaskReceived,
    TaskRejected,
    TaskRevoked,
    TaskSent,
    TaskStarted,
    Trace,
    WorkerReady,
    WorkerStopped,
)

#: How many looks in a row must find nothing; more where a task is not settled, for a message that is on its way to a
#: busy worker is in nobody's hands; most where a worker holds one that it has not begun: it may wait for a rate limit.
_LOOKS, _LOOKS_FOR_A_MESSAGE, _LOOKS_FOR_A_HELD_COPY = 4, 60, 600


class Quiet:
    """``look()`` now and then; it is true when several looks have found the run idle, and nothing happened between."""

    def __init__(
        self,
        place: Namespace,
        living: Callable[[], set[str]],
        consumed: Callable[[], set[str]],
        running: Callable[[], int],
    ) -> None:
        self._place = place
        self._running = running
        self._living = living
        self._consumed = consumed
        self._seen = -1
        self._idle_looks = 0

    def look(self, events: list[Event], queues: Iterable[str]) -> bool:
        if len(events) != self._seen:
            self._seen, self._idle_looks = len(events), 0
            return False
        self._idle_looks = self._idle_looks + 1 if self._is_idle(events, queues) else 0
        if self._idle_looks < _LOOKS:
            return False
        if held_copies(events, self._living()):
            return self._idle_looks >= _LOOKS_FOR_A_HELD_COPY
        settled = all(task.settled for task in _tasks(events))
        return settled or self._idle_looks >= _LOOKS_FOR_A_MESSAGE

    def _is_idle(self, events: list[Event], queues: Iterable[str]) -> bool:
        living = self._living()
        if not living:
            return True
        if self._consumed() & self._place.waiting(queues).keys():
            return False
        if self._running() or any(eta_ns > WallClock().now_ns() for eta_ns in held_copies(events, living)):
            return False
        unacked = self._place.unacked()
        return not any(under_way(task) for task in _tasks(events)) if unacked is None else not unacked


def _tasks(events: list[Event]) -> Collection[TaskHistory]:
    return Trace(events=sorted(events, key=lambda event: event.at_ns)).tasks.values()


def held_copies(events: list[Event], living: Collection[str]) -> list[int]:
    """The ETAs (0 without one) of copies that a living worker has received and not begun.

    The broker does not know of all: what it made visible again and somebody else acked is no more unacked.
    """
    held: Counter[tuple[str, str]] = Counter()
    etas: dict[str, int] = {}
    for event in sorted(events, key=lambda event: event.at_ns):
        if isinstance(event, WorkerReady | WorkerStopped):
            held = Counter({key: number for key, number in held.items() if key[0] != event.worker})
        elif isinstance(event, TaskSent):
            etas[event.task_id] = event.eta_ns or 0
        elif isinstance(event, TaskReceived):
            held[event.worker, event.task_id] += 1
        elif isinstance(event, TaskStarted):
            held[event.worker, event.task_id] -= 1
        elif isinstance(event, TaskRevoked | TaskRejected) and event.attempt is None:
            held.subtract([key for key in +held if key[1] == event.task_id][:1])
    return [etas.get(task_id, 0) for (worker, task_id), number in held.items() if number > 0 and worker in living]


def under_way(task: TaskHistory) -> bool:
    """Whether more messages of it were sent than attempts began: one is in the broker, or in a worker's hands."""
    sent = sum(isinstance(event, TaskSent) for event in task.events)
    begun = sum(isinstance(event, TaskStarted) for event in task.events)
    return sent > begun and task.state != "REVOKED"


def awaited(events: list[Event], running: int, now_ns: int) -> str:
    """What a person sees while it waits: how many tasks are left, and when the next of them is due."""
    tasks = _tasks(events)
    left = [task for task in tasks if not task.settled]
    text = f"{len(left)} of {len(tasks)} tasks are not settled, {running} run"
    etas = [event.eta_ns for task in left for event in task.events if isinstance(event, TaskSent) and event.eta_ns]
    ahead = [eta_ns - now_ns for eta_ns in etas if eta_ns > now_ns]
    return f"{text}, the next is due in {format_duration(min(ahead) // SECOND * SECOND)}" if ahead else text
