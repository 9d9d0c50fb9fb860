"""What a test looks at other than tasks: a queue, and the messages that were published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import overload

from retrysim.clock import to_datetime, to_ns
from retrysim.durations import Duration, format_duration, parse_duration
from retrysim.errors import InputError, Violation
from retrysim.nearest import did_you_mean
from retrysim.trace import TaskSent, Trace, is_named


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A queue as it stands now: ``depth`` messages wait in it, those of the tasks ``task_ids``, next first."""

    name: str
    task_ids: tuple[str, ...]
    labels: tuple[str, ...] = field(repr=False)

    @property
    def depth(self) -> int:
        """How many messages wait in the broker; those that a worker has taken do not count."""
        return len(self.task_ids)

    def __repr__(self) -> str:
        return f"<queue {self.name!r}, {self.depth} messages: {_some(self.labels)}>"


def queue_view(name: str, waiting: dict[str, list[str]], trace: Trace, consumed: set[str]) -> QueueView:
    """The queue of that name; raises ``InputError`` for one that nothing was sent to and nobody consumes."""
    known = {*waiting, *consumed, *(queue for sent in trace.of(TaskSent) for queue in sent.queues)}
    if name not in known:
        there_are = f" (there are {', '.join(sorted(known))})" if known else ""
        raise InputError(f"no queue {name!r} in this run{did_you_mean(name, sorted(known)) or there_are}")
    task_ids = tuple(waiting.get(name, ()))
    labels = tuple(trace.tasks[one].label if one in trace.tasks else one for one in task_ids)
    return QueueView(name=name, task_ids=task_ids, labels=labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A published task message: a submission, or, with ``retries`` above 0, a retry; instants are aware."""

    task: str
    task_id: str
    queue: str
    retries: int
    sent_at: datetime
    eta: datetime | None

    def __repr__(self) -> str:
        retry = f", retry {self.retries}" if self.retries else ""
        eta = f", eta {self.eta.isoformat()}" if self.eta else ""
        return f"<{self.task}[{self.task_id[:8]}] to {self.queue!r} at {self.sent_at.isoformat()}{retry}{eta}>"


class Published(Sequence[SentMessage]):
    """The messages that a test asked for. It is true, however many they are: that they are right was checked."""

    def __init__(self, messages: Sequence[SentMessage]) -> None:
        self._messages = tuple(messages)

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, index: int) -> SentMessage: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[SentMessage]: ...

    def __getitem__(self, index: int | slice) -> SentMessage | Sequence[SentMessage]:
        return self._messages[index]

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{len(self)} published: {_some([repr(message) for message in self])}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages a test asks for; what is ``None`` may be anything."""

    task: str | None
    queue: str | None
    retries: int | None
    eta: datetime | Duration | None

    def fits(self, sent: TaskSent) -> bool:
        return (
            (self.task is None or is_named(sent.name, self.task))
            and self.queue in (None, *sent.queues)
            and self.retries in (None, sent.retries)
            and (self.eta is None or sent.eta_ns == self._eta_ns(sent))
        )

    def _eta_ns(self, sent: TaskSent) -> int:
        """The ETA that is asked for: an instant, or a delay from when the message was sent."""
        if not isinstance(self.eta, datetime):
            return sent.at_ns + parse_duration(self.eta if self.eta is not None else 0)
        if self.eta.tzinfo is None:
            raise InputError(f"eta={self.eta!r} has no time zone: give an aware datetime, or a delay such as '15m'")
        return to_ns(self.eta)

    def __str__(self) -> str:
        parts = {"task": self.task, "queue": self.queue, "retries": self.retries, "eta": _eta_text(self.eta)}
        return ", ".join(f"{key}={value!r}" for key, value in parts.items() if value is not None) or "any"


def published(trace: Trace, wanted: Wanted, count: int | None) -> Published:
    """The messages that fit; raises ``Violation`` for another number of them than ``count``, or for none."""
    sent = trace.of(TaskSent)
    found = [one for one in sent if wanted.fits(one)]
    if len(found) != count if count is not None else not found:
        number = "at least one message" if count is None else f"{count} messages"
        raise Violation(f"published: expected {number} ({wanted}), got {len(found)}\n{_listing(sent)}")
    return Published([_message(one) for one in found])


def _message(sent: TaskSent) -> SentMessage:
    return SentMessage(
        task=sent.name,
        task_id=sent.task_id,
        queue=sent.queue,
        retries=sent.retries,
        sent_at=to_datetime(sent.at_ns),
        eta=None if sent.eta_ns is None else to_datetime(sent.eta_ns),
    )


def _listing(sent: Sequence[TaskSent]) -> str:
    """What was published, alike ones together."""
    kinds = Counter(
        f"task={s.name!r}, queue={s.queue!r}, retries={s.retries}"
        + (f", eta={format_duration(s.eta_ns - s.at_ns)!r}" if s.eta_ns is not None else "")
        for s in sent
    )
    return "\n".join([f"  {number} x {kind}" for kind, number in kinds.items()] or ["  nothing was published"])


def _eta_text(eta: datetime | Duration | None) -> str | None:
    if eta is None or isinstance(eta, datetime | timedelta):
        return None if eta is None else str(eta)
    return format_duration(parse_duration(eta))


def _some(texts: Sequence[str]) -> str:
    shown = ", ".join(texts[:3])
    return shown + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
