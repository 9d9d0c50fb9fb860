"""A moment: the n-th event of a kind, of this task, worker or endpoint, at which something is to happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from retrysim.trace import ApiCalled, Event, TaskHistory, Trace, is_named
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


class AwaitedMoments:
    """Moments that are still to come; ``come(index, task_id)`` is called when the one of this index is there."""

    def __init__(self, come: Callable[[int, str | None], None]) -> None:
        self._come = come
        self._waiting: dict[int, Moment] = {}
        self._counts: Counter[int] = Counter()

    def add(self, index: int, moment: Moment) -> None:
        self._waiting[index] = moment

    def look(self, event: Event, trace: Trace) -> None:
        """Count an event that ``trace`` knows; the moment that it completes has come."""
        task_id = task_id_of(event)
        task = trace.tasks.get(task_id or "")
        for index, moment in tuple(self._waiting.items()):
            if moment.matches(event, task):
                self._counts[index] += 1
                if self._counts[index] == moment.nth:
                    del self._waiting[index]
                    self._come(index, task_id)

    def missing(self, index: int) -> str | None:
        """What a moment still waits for, and how many events it has counted; ``None`` if it has come."""
        if index not in self._waiting:
            return None
        return f"it waited for {self._waiting[index]}, and there were {self._counts[index]}"
