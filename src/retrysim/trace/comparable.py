"""What a test compares, as types of their own, so that a comparison that fails can say which task shows why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from retrysim.trace.events import TaskFailed, TaskRetried


class Retries(list[TaskRetried]):
    """The retries of one task, in their order. Equal to a number if there are so many: ``task.retries == 3``."""

    __hash__ = None  # as a list

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int) and not isinstance(other, bool):
            return len(self) == other
        return list.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        return f"<{len(self)} {'retry' if len(self) == 1 else 'retries'}>"


class Settling(Protocol):
    """A task, as far as its state goes."""

    @property
    def label(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def timeline(self) -> str: ...

    @property
    def failure(self) -> TaskFailed | None: ...


class States(Counter[str]):
    """How many tasks are in which state; it remembers one task of each."""

    def __init__(self, tasks: Iterable[Settling] = ()) -> None:
        super().__init__()
        self._examples: dict[str, Settling] = {}
        for task in tasks:
            self[task.state] += 1
            self._examples.setdefault(task.state, task)

    def __repr__(self) -> str:
        return repr(dict(self))

    def explained(self, expected: Mapping[str, int]) -> Iterator[str]:
        """A line for each state of which there are more or fewer than expected, with one of them."""
        for state in sorted({*self, *expected}):
            if self[state] != expected.get(state, 0):
                example = f"; one is {_text(self._examples[state])}" if state in self._examples else ""
                yield f"{state}: got {self[state]}, expected {expected.get(state, 0)}{example}"


def _text(task: Settling) -> str:
    why = f" ({task.failure.exception})" if task.failure is not None else ""
    return f"{task.label}: {task.timeline}{why}"
