"""Views of a trace: the events of one run, and what they say of each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from retrysim.clock import to_datetime
from retrysim.durations import format_duration
from retrysim.trace.comparable import Retries, States
from retrysim.trace.events import (
    ApiCalled,
    Event,
    RunEnded,
    TaskEvent,
    TaskFailed,
    TaskIgnored,
    TaskOutcome,
    TaskReceived,
    TaskRejected,
    TaskRetried,
    TaskRevoked,
    TaskSent,
    TaskStarted,
    TaskSucceeded,
)
from retrysim.trace.loss import why_lost
from retrysim.trace.secrets import Redactor
from retrysim.trace.words import Words

E = TypeVar("E", bound=Event)

#: The event that ends an attempt or a task -> the state Celery gives it.
STATES: dict[type[Event], str] = {
    TaskRetried: "RETRY",
    TaskSucceeded: "SUCCESS",
    TaskFailed: "FAILURE",
    TaskRevoked: "REVOKED",
    TaskRejected: "REJECTED",
    TaskIgnored: "IGNORED",
}
#: The states after which nothing more happens to a task.
SETTLED = frozenset({"SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a task's body; ``end_ns`` is ``None`` while it runs, ``state`` what it ended in."""

    number: int
    worker: str
    start_ns: int
    end_ns: int | None
    state: str

    def __repr__(self) -> str:
        return f"<attempt {self.number} on {self.worker} at {self.started_at.isoformat()}: {self.state}>"

    @property
    def started_at(self) -> datetime:
        """When the body began to run, as an aware UTC ``datetime``."""
        return to_datetime(self.start_ns)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; ``None`` while it runs."""
        return None if self.end_ns is None else to_datetime(self.end_ns)


def is_named(name: str, wanted: str) -> bool:
    """Whether a task's full name is the wanted one, or ends in it: ``proj.tasks.fetch`` is named ``fetch``."""
    return name == wanted or name.endswith("." + wanted)


class TaskHistory:
    """All that happened to one task, its calls to fakes included; it grows with the trace.

    ``started``, ``retried``, ... are conditions: ``sim.run(until=sim.task(task_id).retried)``.
    """

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.events: list[TaskEvent] = []
        self.api_calls: list[ApiCalled] = []
        #: which task of its name it is, in the order in which they were sent, from 1; 0 while its name is unknown
        self.number = 0
        self._own = len(self.__dict__) + 1  # what comes after these was put there by cached_property

    def add(self, event: Event) -> None:
        """One more event; what was computed from those before is forgotten."""
        if isinstance(event, ApiCalled):
            self.api_calls.append(event)
        elif isinstance(event, TaskEvent):
            self.events.append(event)
        while len(self.__dict__) > self._own:
            self.__dict__.popitem()

    def __repr__(self) -> str:
        return f"<task {self.label}: {self.timeline}>"

    @cached_property
    def name(self) -> str:
        return next((e.name for e in self.events if isinstance(e, TaskSent | TaskStarted)), "unknown task")

    @property
    def label(self) -> str:
        """``name[first characters of the id]``, as Celery's log writes it, shortened."""
        return f"{self.name}[{self.task_id[:8]}]"

    @cached_property
    def state(self) -> str:
        """Celery's state after the last event: PENDING, RECEIVED, STARTED, RETRY, SUCCESS, ..."""
        for event in reversed(self.events):
            if isinstance(event, TaskRejected) and event.requeue:
                continue
            if type(event) in STATES:
                return STATES[type(event)]
            if isinstance(event, TaskStarted):
                return "STARTED"
        return "PENDING"

    @property
    def settled(self) -> bool:
        return self.state in SETTLED

    def received(self) -> bool:
        """Whether a worker has taken its message."""
        return self._has(TaskReceived)

    def started(self) -> bool:
        """Whether an attempt has begun."""
        return self._has(TaskStarted)

    def retried(self) -> bool:
        """Whether an attempt has ended in a retry."""
        return self._has(TaskRetried)

    def succeeded(self) -> bool:
        return self._has(TaskSucceeded)

    def failed(self) -> bool:
        return self._has(TaskFailed)

    def _has(self, kind: type[TaskEvent]) -> bool:
        return any(isinstance(event, kind) for event in self.events)

    @cached_property
    def settled_at_ns(self) -> int | None:
        """When the task reached its last state; ``None`` while it is not settled."""
        return self._outcomes[-1].at_ns if self.settled else None

    @property
    def settled_at(self) -> datetime | None:
        """When the task reached its last state, as an aware UTC ``datetime``; ``None`` while it is not settled."""
        return None if self.settled_at_ns is None else to_datetime(self.settled_at_ns)

    @cached_property
    def sent_at_ns(self) -> int | None:
        return next((e.at_ns for e in self.events if isinstance(e, TaskSent)), None)

    @cached_property
    def attempts(self) -> list[Attempt]:
        """The executions of the body, in the order in which they began."""
        attempts: dict[int, Attempt] = {}
        for event in self.events:
            if isinstance(event, TaskStarted):
                attempts[event.attempt] = Attempt(event.attempt, event.worker, event.at_ns, None, "STARTED")
            elif isinstance(event, TaskOutcome) and event.attempt is not None:
                begun = attempts.get(event.attempt)
                if begun is not None and begun.end_ns is None:
                    attempts[event.attempt] = replace(begun, end_ns=event.at_ns, state=STATES[type(event)])
        return list(attempts.values())

    @cached_property
    def retries(self) -> Retries:
        return Retries(e for e in self.events if isinstance(e, TaskRetried))

    @cached_property
    def failure(self) -> TaskFailed | None:
        return next((e for e in reversed(self.events) if isinstance(e, TaskFailed)), None)

    @cached_property
    def _outcomes(self) -> list[TaskEvent]:
        return [e for e in self.events if type(e) in STATES]

    @cached_property
    def timeline(self) -> Words:
        """The states with the time between them: ``"RETRY 15m SUCCESS"``; ``"PENDING"`` when nothing happened yet."""
        words: list[str] = []
        before = self.sent_at_ns
        for event in self._outcomes:
            if before is not None and event.at_ns > before:
                words.append(format_duration(event.at_ns - before))
            words.append(STATES[type(event)])
            before = event.at_ns
        if not self._outcomes or not self.settled:
            words += [] if self.state == "RETRY" else [self.state]
        return Words(" ".join(words))

    @cached_property
    def calls(self) -> Words:
        """The answers to its API calls, attempts divided by bars: ``"429 200 | 200"``."""
        by_attempt: dict[int | None, list[str]] = {}
        for call in self.api_calls:
            by_attempt.setdefault(call.attempt, []).append(call.answer)
        return Words(" | ".join(" ".join(statuses) for statuses in by_attempt.values()))


class Trace:
    """The events of one run in the order in which they happened; everything else is computed from them."""

    def __init__(self, *, seed: int = 0, start_ns: int = 0, events: Iterable[Event] = ()) -> None:
        self.seed = seed
        self.start_ns = start_ns
        self._events: list[Event] = []
        #: every task by its id, in the order in which they were first heard of
        self.tasks: dict[str, TaskHistory] = {}
        #: takes secrets out of what is said of this run
        self.redact = Redactor()
        #: each is told of every event after it was appended
        self.observers: list[Callable[[Event], None]] = []
        self._numbers: Counter[str] = Counter()
        for event in events:
            self.append(event)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} events>"

    def append(self, event: Event) -> None:
        self._events.append(event)
        task_id = event.task_id if isinstance(event, TaskEvent | ApiCalled) else None
        if task_id is not None:
            history = self._history(task_id)
            history.add(event)
            if not history.number and isinstance(event, TaskSent | TaskStarted):
                self._numbers[event.name] += 1
                history.number = self._numbers[event.name]
        for observer in tuple(self.observers):
            observer(event)

    def _history(self, task_id: str) -> TaskHistory:
        if task_id not in self.tasks:
            self.tasks[task_id] = TaskHistory(task_id)
        return self.tasks[task_id]

    def after(self, count: int) -> list[Event]:
        """The events but for the first ``count``."""
        return self._events[count:]

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type."""
        return [event for event in self._events if isinstance(event, kind)]

    @property
    def states(self) -> Counter[str]:
        """How many tasks are in which state."""
        return States(self.tasks.values())

    @property
    def ended(self) -> RunEnded | None:
        """How the last run ended; ``None`` before the first."""
        return next((e for e in reversed(self._events) if isinstance(e, RunEnded)), None)

    @property
    def last_settled_ns(self) -> int:
        """When the last task settled; the start, if none did."""
        return max((t.settled_at_ns for t in self.tasks.values() if t.settled_at_ns is not None), default=self.start_ns)

    def lost(self) -> dict[str, str]:
        """The tasks that will never settle (id -> why). Nothing is lost before a run ended idle."""
        ended = self.ended
        if ended is None or not ended.idle:
            return {}
        holding = dict(ended.holding)
        return {
            task_id: holding.get(task_id) or why_lost(self._events, task)
            for task_id, task in self.tasks.items()
            if not task.settled
        }
