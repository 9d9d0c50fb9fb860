"""A line that CI holds: ``lost(15m) > 0%``, ``span < 15 minutes``, ``retries < 3``, or a kind of finding."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from retrysim.audit.chain import Coverage
from retrysim.audit.finding import FindingKind
from retrysim.audit.findings import percent, shown
from retrysim.audit.report import AppReport, TaskReport
from retrysim.durations import format_duration, parse_duration
from retrysim.errors import DurationError, InputError
from retrysim.nearest import did_you_mean

_COMPARISON = re.compile(r"\s*(?P<metric>span|retries|lost\s*\((?P<window>[^)]+)\))\s*(?P<sign>[<>]=?)\s*(?P<value>.+)")
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_EXPECTED = (
    "expected lost(WINDOW), span or retries with <, <=, > or >= and a value, such as 'lost(15m) > 0%' or "
    "'span < 15 minutes', or a kind of finding"
)

#: What can happen to the message of a task that is never retried, too.
_OF_ANY_TASK = frozenset({FindingKind.CONSUMER_TIMEOUT, FindingKind.DELIVERY_LIMIT})
_SHARE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(%)?")
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """``text`` is how it was written; one of ``kind`` and ``crosses`` judges."""

    text: str
    kind: FindingKind | None = None
    crosses: Callable[[Coverage], str | None] | None = None

    def crossed_by(self, report: AppReport) -> Iterator[str]:
        """A line for each task that crosses it."""
        if self.kind is not None:
            yield from (self._line(report.app, one.text) for one in report.findings if one.kind is self.kind)
        for task in report.tasks:
            if task.retries or self.kind in _OF_ANY_TASK:
                yield from (self._line(task.name, what) for what in self._crossings(task))

    def _crossings(self, task: TaskReport) -> Iterator[str]:
        if self.kind is not None:
            yield from (finding.text for finding in task.all_findings if finding.kind is self.kind)
        for row in task.rows:
            if self.crosses is not None and row.coverage is not None and (what := self.crosses(row.coverage)):
                yield what

    def _line(self, name: str, what: str) -> str:
        return f"--fail-if {self.text!r}: {name}: {what}"


def parse_threshold(text: str) -> Threshold:
    """Raises ``InputError`` for what is no threshold."""
    if text.strip() in list(FindingKind):
        return Threshold(text=text, kind=FindingKind(text.strip()))
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise InputError(f"--fail-if {text!r}: {_EXPECTED}{did_you_mean(text, [kind.value for kind in FindingKind])}")
    crosses = _SIGNS[match["sign"]]
    try:
        return Threshold(text=text, crosses=_judge(match["metric"], match["window"], match["value"], crosses))
    except (DurationError, ValueError) as error:
        raise InputError(f"--fail-if {text!r}: {error}") from None


def _judge(
    metric: str, window: str | None, value: str, crosses: Callable[[float, float], bool]
) -> Callable[[Coverage], str | None]:
    if window is not None:
        return _loss(parse_duration(window), _share(value), crosses)
    if metric == "span":
        return _span(parse_duration(value), crosses)
    return _retries(_whole(value), crosses)


def _loss(window_ns: int, most: float, crosses: Callable[[float, float], bool]) -> Callable[[Coverage], str | None]:
    def judge(coverage: Coverage) -> str | None:
        lost = coverage.lost(window_ns)
        return f"loses {percent(lost)} in a window of {format_duration(window_ns)}" if crosses(lost, most) else None

    return judge


def _span(bound_ns: int, crosses: Callable[[float, float], bool]) -> Callable[[Coverage], str | None]:
    """What counts is the shortest span that was seen, for every task must be safe; one without end is the longest."""

    def judge(coverage: Coverage) -> str | None:
        span = float("inf") if coverage.endless else coverage.span.least
        text = "without end" if coverage.endless else shown(coverage.span.least)
        return f"its retries cover {text}" if crosses(span, bound_ns) else None

    return judge


def _retries(bound: int, crosses: Callable[[float, float], bool]) -> Callable[[Coverage], str | None]:
    def judge(coverage: Coverage) -> str | None:
        retries = float("inf") if coverage.endless else coverage.retries.least
        text = "without end" if coverage.endless else f"{coverage.retries.least} times"
        return f"is retried {text}" if crosses(retries, bound) else None

    return judge


def _share(text: str) -> float:
    """``10%`` or ``0.1``."""
    number = text.strip()
    match = _SHARE.fullmatch(number)
    share = float(match[1]) / (100 if match[2] else 1) if match else -1
    if not 0 <= share <= 1:
        raise ValueError(f"{number!r} is no share: expected one such as 10%")
    return share


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(f"{text.strip()!r} is no number of retries: expected a whole number")
    return int(text)
