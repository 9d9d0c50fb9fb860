"""What the page's script shows: every task and its story, as small lists; each text is written once."""

from __future__ import annotations

from typing import Any

from retrysim.reports.figures import completion_ns
from retrysim.reports.story import StoryLine, stories_of
from retrysim.reports.words import about, instant_of, last_part, since
from retrysim.trace import TaskHistory, Trace


def page_data(trace: Trace) -> dict[str, Any]:
    """``tasks``: rows; ``texts`` and ``instants`` (time of day, time since the start): what the rows name by number."""
    gathered = _Gathered(trace)
    rows = [gathered.row(trace.tasks[task_id], story) for task_id, story in stories_of(trace).items()]
    return {"texts": list(gathered.texts), "instants": list(gathered.instants.values()), "tasks": rows}


class _Gathered:
    """The texts and instants that were named so far, each with its number."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.lost = trace.lost()
        self.texts: dict[str, int] = {}
        self.instants: dict[int, tuple[str, str]] = {}
        self._numbers: dict[int, int] = {}

    def row(self, task: TaskHistory, story: list[StoryLine]) -> list[Any]:
        took_ns = completion_ns(task)
        sent_ns = task.sent_at_ns
        return [
            task.task_id,
            self._text(task.name),
            self._text(last_part(task.name)),
            self._text("LOST" if task.task_id in self.lost else task.state),
            len(task.attempts),
            None if sent_ns is None else _microseconds(sent_ns - self.trace.start_ns),
            self._text("" if sent_ns is None else "+" + about(sent_ns - self.trace.start_ns)),
            None if took_ns is None else _microseconds(took_ns),
            self._text("" if took_ns is None else about(took_ns)),
            self._text(task.timeline),
            self._text(task.calls),
            int(bool(task.retries)),
            [self._line(line) for line in story],
        ]

    def _line(self, line: StoryLine) -> list[int]:
        numbers = [self._instant(line.at_ns), self._text(line.mark), self._text(line.text)]
        return [*numbers, self._text(line.detail)] if line.detail else numbers

    def _text(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def _instant(self, ns: int) -> int:
        if ns not in self._numbers:
            self._numbers[ns] = len(self._numbers)
            self.instants[ns] = (instant_of(self.trace, ns), since(self.trace, ns))
        return self._numbers[ns]


def _microseconds(ns: int) -> int:
    return ns // 1_000
