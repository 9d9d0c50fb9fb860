"""The events of a trace: plain data, instants in nanoseconds since the epoch, no secrets.

Names are those of Celery's event protocol where it has one (https://docs.celeryq.dev/en/stable/userguide/monitoring.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at an instant; ``kind`` is its name on disk."""

    kind: ClassVar[str] = "event"
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady(Event):
    """A worker consumes from its queues."""

    kind: ClassVar[str] = "worker-ready"
    worker: str
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStopped(Event):
    """A worker is gone; ``how`` is ``warm``, ``died`` (its log says of what), ``cold`` or ``killed``."""

    kind: ClassVar[str] = "worker-stopped"
    worker: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent(Event):
    """An event of one task."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSent(TaskEvent):
    """A task message was published: by the test, by another task, or by the task itself as its retry.

    ``queue`` is where it came to; several queues are parted by a comma, and it is empty where the message came to none.
    """

    kind: ClassVar[str] = "task-sent"
    name: str
    queue: str
    retries: int
    eta_ns: int | None
    parent_id: str | None

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that the message was put into."""
        return tuple(self.queue.split(", ")) if self.queue else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReceived(TaskEvent):
    """A worker took the message from its queue (it may still wait for its ETA or a free slot)."""

    kind: ClassVar[str] = "task-received"
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(TaskEvent):
    """An attempt: the task's body begins to run. ``attempt`` counts from 1, copies of a message included."""

    kind: ClassVar[str] = "task-started"
    name: str
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome(TaskEvent):
    """An end: of the attempt of that number, or (``None``) of a message whose body did not run."""

    attempt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRetried(TaskOutcome):
    """The attempt ended in ``retry``; the next is due at ``due_ns``. ``exception`` is ``Type: message``."""

    kind: ClassVar[str] = "task-retried"
    due_ns: int
    exception: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSucceeded(TaskOutcome):
    kind: ClassVar[str] = "task-succeeded"
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed(TaskOutcome):
    kind: ClassVar[str] = "task-failed"
    exception: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRevoked(TaskOutcome):
    """The task will not run: revoked by somebody, or expired; ``terminated``: it ran, and was ended."""

    kind: ClassVar[str] = "task-revoked"
    expired: bool
    terminated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRejected(TaskOutcome):
    """The message was rejected; ``reason`` is what the worker says of it."""

    kind: ClassVar[str] = "task-rejected"
    reason: str
    requeue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskIgnored(TaskOutcome):
    """The body raised ``Ignore``: Celery stores no state, and nothing more will happen."""

    kind: ClassVar[str] = "task-ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCalled(Event):
    """A fake answered a call. ``task_id`` and ``attempt`` say who called; ``None`` outside of all tasks.

    ``bucket`` is what the limit is counted for and ``partition`` whose share it is (``token-1``); ``limit``,
    ``remaining`` and ``reset_ns`` are those of the limit that decided, ``None`` where there is none. ``retry_at_ns``
    is the first instant at which a refused call would be served, ``told_ns`` the one its answer named, which may be
    rounded up: who obeys comes between the two. ``broken`` says how the connection broke, if it did. ``effect`` is the
    same for calls of which only the first has an effect (``key-1``); ``None`` where nothing says so.
    """

    kind: ClassVar[str] = "api-called"
    fake: str
    endpoint: str
    status: int
    decision: str
    bucket: str
    partition: str
    limit: int | None
    remaining: int | None
    reset_ns: int | None
    retry_at_ns: int | None
    told_ns: int | None
    task_id: str | None
    attempt: int | None
    broken: str | None = None
    effect: str | None = None

    @property
    def answer(self) -> str:
        """The answer in one word: the status, or how the connection broke."""
        return self.broken or str(self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFired(Event):
    """Something was broken on purpose, or repaired: ``verb`` is what was done (``kill``, ``partition``, ``repair``).

    ``name`` is the fault's own, ``target`` what it was done to: a worker, ``broker``, or messages of a queue.
    """

    kind: ClassVar[str] = "fault"
    name: str
    verb: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLogged(Event):
    """A worker logged a warning or worse; ``text`` is the first line, ``level`` as logging names it."""

    kind: ClassVar[str] = "worker-logged"
    worker: str
    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The run ended. ``idle``: nothing more would have happened; ``holding``: (task id, where its message is).

    ``blocked`` names the processes that wait for what nobody will bring.
    """

    kind: ClassVar[str] = "run-ended"
    idle: bool
    holding: tuple[tuple[str, str], ...]
    blocked: tuple[str, ...] = ()


#: Every kind of event by its name on disk.
KINDS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        WorkerReady, WorkerStopped, TaskSent, TaskReceived, TaskStarted, TaskRetried, TaskSucceeded, TaskFailed,
        TaskRevoked, TaskRejected, TaskIgnored, ApiCalled, FaultFired, WorkerLogged, RunEnded,
    )
}  # fmt: skip
