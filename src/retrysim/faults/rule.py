"""Rules about messages: which of those that are published are dropped, duplicated, delayed, or fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from retrysim.faults.verdict import DELIVER, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessage:
    """What a rule knows of a task message; ``retries`` is 0 for a first attempt."""

    task_id: str
    task: str
    queue: str
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRule:
    """A verdict on the messages of a task and a queue (``None``: of any), from the ``nth`` on, ``times`` of them.

    ``retries`` asks for messages of that attempt only (0: first attempts); ``times=None`` has no end.
    """

    name: str
    verdict: Verdict
    task: str | None = None
    queue: str | None = None
    retries: int | None = None
    nth: int = 1
    times: int | None = 1

    def concerns(self, message: TaskMessage) -> bool:
        """Whether the rule counts this message."""
        named = self.task is None or message.task == self.task or message.task.endswith("." + self.task)
        return named and self.queue in (None, message.queue) and self.retries in (None, message.retries)

    def strikes(self, count: int) -> bool:
        """Whether the ``count``-th message that it concerns gets its verdict."""
        return count >= self.nth and (self.times is None or count < self.nth + self.times)


class Rules:
    """The rules of one run. The first that strikes decides; ``on_strike(rule, message)`` is called."""

    def __init__(self, on_strike: Callable[[MessageRule, TaskMessage], None]) -> None:
        self._on_strike = on_strike
        self._rules: list[MessageRule] = []
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to judge by."""
        return bool(self._rules)

    def add(self, rule: MessageRule) -> None:
        self._rules.append(rule)
        self._counts[rule.name] = 0

    def remove(self, name: str) -> None:
        """Remove a rule, if it is there."""
        self._rules = [rule for rule in self._rules if rule.name != name]

    def names(self) -> list[str]:
        return list(self._counts)

    def concerned(self, name: str) -> int:
        """How many messages a rule has counted."""
        return self._counts[name]

    def judge(self, message: TaskMessage) -> Verdict:
        """What is to become of a message."""
        verdict: Verdict = DELIVER
        for rule in self._rules:
            if not rule.concerns(message):
                continue
            self._counts[rule.name] += 1
            if verdict is DELIVER and rule.strikes(self._counts[rule.name]):
                verdict = rule.verdict
                self._on_strike(rule, message)
        return verdict
