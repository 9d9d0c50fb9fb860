"""The points of a run: the places at which something can break, named by task, attempt and event.

A name holds while an app is edited: "push_contact#3, attempt 1, after POST /contacts", not "event 17".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from retrysim.durations import SECOND, format_duration
from retrysim.trace import ApiCalled, Event, TaskHistory, TaskReceived, TaskSent, TaskStarted, Trace
from retrysim.trace.events import TaskEvent, TaskOutcome

#: Between two events that are further apart there is a point halfway.
_GAP_NS = 2 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place: an event of a task. ``when`` is how a scenario file names it."""

    name: str
    when: Mapping[str, Any] = field(default_factory=dict)
    event: str
    task: str  # the task's full name
    label: str  # the task's short name and its number: "push_contact#3"
    attempt: int | None
    retries: int
    worker: str | None  # whom it happens on, or who has the message next
    endpoint: str = ""
    limited: bool = False  # whether the call is counted against a limit
    running: bool = False  # whether the body runs
    nth_message: int = 0  # which message of its task and retry it is, for one that is sent
    nth_call: int = 0  # which call of its attempt and endpoint it is, for a call

    @property
    def group(self) -> str:
        """What the same place is in other tasks of the name."""
        return f"{self.task}/{self.attempt}/{self.event}/{self.endpoint}/{self.retries}/{self.when.get('after', '')}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def label_of(task: TaskHistory) -> str:
    """The task's short name and its number: ``push_contact#3``."""
    return f"{task.name.rpartition('.')[2]}#{task.number}"


def points_of(trace: Trace, *, after: int = 0) -> list[Point]:
    """All points of a run, in the order of time; ``after`` leaves out those before that event of the trace."""
    return [point for position, point in _points(trace) if position >= after]


def _points(trace: Trace) -> Iterator[tuple[int, Point]]:
    events = list(trace)
    namer = _Namer(trace, events)
    for position, event in enumerate(events):
        point = namer.point(position, event)
        if point is None:
            continue
        yield position, point
        gap_ns = _next_ns(events, position) - event.at_ns
        if gap_ns >= _GAP_NS:
            yield position, _halfway(point, gap_ns // 2 // SECOND * SECOND)


def _next_ns(events: list[Event], position: int) -> int:
    """When something happens next; the end of a run is nothing that happens."""
    rest = (event.at_ns for event in events[position + 1 :] if isinstance(event, TaskEvent | ApiCalled))
    return next(rest, events[position].at_ns)


def _halfway(point: Point, after_ns: int) -> Point:
    values = {name: getattr(point, name) for name in Point.__dataclass_fields__}
    after = format_duration(after_ns)
    return Point(**{**values, "name": f"{after} {point.name}", "when": {**point.when, "after": after}, "event": "gap"})


class _Namer:
    """Names events in their order, and counts those that are alike."""

    def __init__(self, trace: Trace, events: list[Event]) -> None:
        self._trace = trace
        self._counts: Counter[tuple[Any, ...]] = Counter()
        self._messages: Counter[tuple[str, int]] = Counter()
        self._on: dict[tuple[str, int | None], str] = {
            (event.task_id, event.attempt): event.worker for event in events if isinstance(event, TaskStarted)
        }
        self._received = [
            (position, event.task_id, event.worker)
            for position, event in enumerate(events)
            if isinstance(event, TaskReceived)
        ]
        self._running: dict[str, int] = {}  # task id -> the attempt that runs
        self._retries: dict[str, int] = {}

    def point(self, position: int, event: Event) -> Point | None:
        task_id = event.task_id if isinstance(event, TaskEvent | ApiCalled) else None
        task = self._trace.tasks.get(task_id or "")
        if task is None or not task.number:
            return None
        self._follow(event, task.task_id)
        attempt = getattr(event, "attempt", None) or self._running.get(task.task_id)
        message = self._message(event)
        when = self._when(event, task)
        return Point(
            name=f"{label_of(task)}, {_words(event, attempt, when['nth'])}",
            when=when if when["nth"] > 1 else {key: value for key, value in when.items() if key != "nth"},
            event=event.kind,
            task=task.name,
            label=label_of(task),
            attempt=attempt,
            retries=self._retries.get(task.task_id, 0),
            worker=self._worker(position, event, task.task_id, attempt),
            endpoint=getattr(event, "endpoint", ""),
            limited=isinstance(event, ApiCalled) and event.limit is not None,
            running=task.task_id in self._running,
            nth_message=message,
            nth_call=when["nth"] if isinstance(event, ApiCalled) else 0,
        )

    def _follow(self, event: Event, task_id: str) -> None:
        if isinstance(event, TaskSent):
            self._retries[task_id] = event.retries
        elif isinstance(event, TaskStarted):
            self._running[task_id] = event.attempt
        elif isinstance(event, TaskOutcome):
            self._running.pop(task_id, None)

    def _message(self, event: Event) -> int:
        if not isinstance(event, TaskSent):
            return 0
        key = (event.name, event.retries)
        self._messages[key] += 1
        return self._messages[key]

    def _when(self, event: Event, task: TaskHistory) -> dict[str, Any]:
        """The event as a scenario file names it; ``nth`` tells those apart that are alike."""
        when: dict[str, Any] = {"event": event.kind, "task": label_of(task)}
        if isinstance(event, ApiCalled):
            when |= {"endpoint": event.endpoint, **({"attempt": event.attempt} if event.attempt else {})}
        if isinstance(event, TaskStarted):
            when |= {"attempt": event.attempt}
        key = tuple(when.items())
        self._counts[key] += 1
        return {**when, "nth": self._counts[key]}

    def _worker(self, position: int, event: Event, task_id: str, attempt: int | None) -> str | None:
        """Whom it happens on; of a message that is on its way, who takes it next."""
        own = getattr(event, "worker", None) or self._on.get((task_id, attempt))
        if own is not None:
            return str(own)
        taken = [worker for when, one, worker in self._received if one == task_id and when > position]
        return taken[0] if taken else None


def _words(event: Event, attempt: int | None, nth: int) -> str:
    again = f" (time {nth})" if nth > 1 else ""
    if isinstance(event, TaskSent):
        return (f"after retry {event.retries} was sent" if event.retries else "after it was sent") + again
    if isinstance(event, TaskReceived):
        return f"after a worker received it{again}"
    where = f"attempt {attempt}, " if attempt else ""
    if isinstance(event, ApiCalled):
        return f"{where}after {event.endpoint}{again}"
    words = {
        "task-started": "when it starts",
        "task-retried": "after it decided to retry",
        "task-succeeded": "after its result was stored",
        "task-failed": "after it failed",
        "task-revoked": "after it was revoked",
        "task-rejected": "after it was rejected",
        "task-ignored": "after it was ignored",
    }
    return where + words[event.kind] + ("" if event.kind == "task-started" else again)
