"""A moment: the n-th event of a kind, of this task, worker or endpoint, at which something is to happen."""

from __future__ import annotations

from dataclasses import dataclass

from retrysim.trace import ApiCalled, Event, TaskHistory, is_named
from retrysim.trace.events import KINDS, TaskEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Which events count, and which of them is meant; ``None`` asks for nothing. ``answer`` is a status, or a break.

    ``task`` is a task's name, or one task of that name: ``push_contact#3`` is the third that was sent.
    """

    event: str
    task: str | None = None
    worker: str | None = None
    endpoint: str | None = None
    answer: str | None = None
    attempt: int | None = None
    nth: int = 1

    def __post_init__(self) -> None:
        assert self.event in KINDS, self.event
        assert self.nth >= 1, self.nth

    def matches(self, event: Event, task: TaskHistory | None) -> bool:
        """Whether this event counts; ``task`` is the one that it belongs to, ``None`` for an event of none."""
        return (
            event.kind == self.event
            and (self.task is None or (task is not None and is_meant(task, self.task)))
            and self.worker in (None, getattr(event, "worker", None))
            and self.endpoint in (None, getattr(event, "endpoint", None))
            and self.answer in (None, getattr(event, "answer", None))
            and self.attempt in (None, getattr(event, "attempt", None))
        )

    def __str__(self) -> str:
        asked = (("of", self.task), ("on", self.worker), ("at", self.endpoint), ("answered", self.answer))
        words = [f"{word} {value}" for word, value in asked if value is not None]
        attempt = [] if self.attempt is None else [f"in attempt {self.attempt}"]
        return " ".join([f"{self.event} number {self.nth}", *words, *attempt])


def split_task(text: str) -> tuple[str, int | None]:
    """The name and the number in ``push_contact#3``; the number is ``None`` where none is given."""
    name, _, number = text.partition("#")
    return name, int(number) if number else None


def is_meant(task: TaskHistory, text: str) -> bool:
    """Whether ``push_contact``, or ``push_contact#3``, means this task."""
    name, number = split_task(text)
    return is_named(task.name, name) and number in (None, task.number)


def task_id_of(event: Event) -> str | None:
    """The id of the task that an event belongs to."""
    return event.task_id if isinstance(event, TaskEvent | ApiCalled) else None
