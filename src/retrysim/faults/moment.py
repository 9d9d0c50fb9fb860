"""A moment: the n-th event of a kind, of this task, worker or endpoint, at which something is to happen."""

from __future__ import annotations

from dataclasses import dataclass

from retrysim.trace import ApiCalled, Event, is_named
from retrysim.trace.events import KINDS, TaskEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Which events count, and which of them is meant; ``None`` asks for nothing. ``answer`` is a status, or a break."""

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

    def matches(self, event: Event, name_of_task: str) -> bool:
        """Whether this event counts; ``name_of_task`` is the name of its task, empty for an event of none."""
        return (
            event.kind == self.event
            and (self.task is None or is_named(name_of_task, self.task))
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


def task_id_of(event: Event) -> str | None:
    """The id of the task that an event belongs to."""
    return event.task_id if isinstance(event, TaskEvent | ApiCalled) else None
