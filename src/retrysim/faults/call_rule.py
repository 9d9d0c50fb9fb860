"""Rules about calls of fakes: which of them meet trouble, chosen by task, attempt and endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from retrysim.faults.moment import is_meant
from retrysim.trace import TaskHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRule:
    """Trouble for the calls of a task, an attempt and an endpoint (``None``: of any), ``times`` from the ``nth`` on.

    ``kind`` is a kind of trouble of a fake, or ``slow``: the answer comes ``by_ns`` later.
    """

    name: str
    kind: str
    task: str | None = None
    attempt: int | None = None
    endpoint: str | None = None
    nth: int = 1
    times: int | None = 1
    by_ns: int = 0

    def concerns(self, endpoint: str, task: TaskHistory | None, attempt: int | None) -> bool:
        """Whether the rule counts this call."""
        return (
            self.endpoint in (None, endpoint)
            and self.attempt in (None, attempt)
            and (self.task is None or (task is not None and is_meant(task, self.task)))
        )

    def strikes(self, count: int) -> bool:
        """Whether the ``count``-th call that it concerns meets its trouble."""
        return count >= self.nth and (self.times is None or count < self.nth + self.times)


class CallRules:
    """The rules of one run; ``on_strike(rule, endpoint)`` is called for each call that meets trouble."""

    def __init__(self, on_strike: Callable[[CallRule, str], None]) -> None:
        self._on_strike = on_strike
        self._counts: dict[CallRule, int] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to judge by."""
        return bool(self._counts)

    def add(self, rule: CallRule) -> None:
        self._counts[rule] = 0

    def concerned(self, name: str) -> int:
        """How many calls the rules of this name have counted."""
        return sum(count for rule, count in self._counts.items() if rule.name == name)

    def judge(self, endpoint: str, task: TaskHistory | None, attempt: int | None) -> list[tuple[str, int]]:
        """The troubles that meet a call: the kind, and how much later the answer comes."""
        found = []
        for rule in self._counts:
            if rule.concerns(endpoint, task, attempt):
                self._counts[rule] += 1
                if rule.strikes(self._counts[rule]):
                    self._on_strike(rule, endpoint)
                    found.append((rule.kind, rule.by_ns))
        return found
