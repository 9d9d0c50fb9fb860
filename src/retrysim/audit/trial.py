"""The trials of an app on RabbitMQ: what can happen to a message, by the settings of its task."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retrysim.audit.bodies import HandedAway, reached, task_body
from retrysim.audit.chain import Coverage
from retrysim.audit.inspection import Inspection
from retrysim.durations import MINUTE, SECOND

#: RabbitMQ looks at its consumer_timeout once in so long: what is shorter is never too late.
_TICK_NS = MINUTE


class TrialKind(StrEnum):
    """What the message of a task goes through."""

    WAIT = "wait"  # its retry waits for its ETA
    BODY = "body"  # its body takes as long as its time limit allows, and the message is acked after that
    CRASH = "crash"  # its pool process dies each time


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial of a task; ``takes_ns`` is how long the retry waits, or the body runs."""

    kind: TrialKind
    task: str
    takes_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened in a trial, in nanoseconds since the message was sent.

    ``starts_ns``: when attempts began; ``ends_ns``: when the worker ended by itself; ``lost``: why RabbitMQ dropped the
    message. Versions of RabbitMQ with equal outcomes do the same.
    """

    queue: str
    starts_ns: tuple[int, ...]
    ends_ns: tuple[int, ...]
    lost: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedTrial:
    """A trial, and its outcome on each RabbitMQ; a text says why there is none."""

    trial: Trial
    outcomes: Mapping[str, Outcome | str]


def trials_of(app: Any, inspections: Iterable[Inspection], played: Mapping[str, Coverage | str]) -> Iterator[Trial]:
    """The trials of each task that could be read; ``played`` has the longest delay of its policies."""
    for inspection in inspections:
        if inspection.way == "unread":
            continue
        task = app.tasks[inspection.name]
        coverages = [played[policy.key] for policy in inspection.policies]
        for delay_ns in sorted({one.longest_delay_ns for one in coverages if isinstance(one, Coverage)}):
            if delay_ns > _TICK_NS:
                yield Trial(kind=TrialKind.WAIT, task=task.name, takes_ns=delay_ns)
        if task.acks_late:
            yield from _of_late_acks(task, inspection)


def _of_late_acks(task: Any, inspection: Inspection) -> Iterator[Trial]:
    longest_ns = _longest_body_ns(inspection)
    if longest_ns > _TICK_NS:
        yield Trial(kind=TrialKind.BODY, task=task.name, takes_ns=longest_ns)
    if task.reject_on_worker_lost and not _looks_at_redelivered(task):
        yield Trial(kind=TrialKind.CRASH, task=task.name)


def _longest_body_ns(inspection: Inspection) -> int:
    """A second less than the time limit; 0 where nothing limits the body: nobody knows then how long it takes."""
    limits = [inspection.settings.soft_time_limit, inspection.settings.time_limit]
    given = [int(float(limit) * SECOND) for limit in limits if limit]
    return min(given) - SECOND if given else 0


def _looks_at_redelivered(task: Any) -> bool:
    """Whether the body, or a function that it hands itself to, reads ``delivery_info["redelivered"]``."""
    body = task_body(task)
    if body is None:
        return False
    return any("redelivered" in ast.unparse(one.tree) for one in reached(body) if not isinstance(one, HandedAway))
