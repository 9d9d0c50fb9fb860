"""The figures of a run: how the tasks ended, by name and together, how long they took, and which fared worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from retrysim.trace import TaskHistory, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How some tasks ended; ``p50_ns`` and ``p99_ns`` are of the time from sent to settled."""

    submitted: int
    succeeded: int
    failed: int
    revoked: int
    rejected: int
    ignored: int
    lost: int
    pending: int
    retried: int
    attempts: int
    p50_ns: int | None
    p99_ns: int | None


def figures_of(tasks: Iterable[TaskHistory], lost: Mapping[str, str]) -> Figures:
    """The figures of these tasks; ``lost`` is what ``Trace.lost()`` says."""
    tasks = list(tasks)
    states = [task.state for task in tasks]
    missing = sum(task.task_id in lost for task in tasks)
    took = sorted(ns for task in tasks if (ns := completion_ns(task)) is not None)
    return Figures(
        submitted=len(tasks),
        succeeded=states.count("SUCCESS"),
        failed=states.count("FAILURE"),
        revoked=states.count("REVOKED"),
        rejected=states.count("REJECTED"),
        ignored=states.count("IGNORED"),
        lost=missing,
        pending=sum(not task.settled for task in tasks) - missing,
        retried=sum(bool(task.retries) for task in tasks),
        attempts=sum(len(task.attempts) for task in tasks),
        p50_ns=_percentile(took, 50),
        p99_ns=_percentile(took, 99),
    )


def figures_by_name(trace: Trace) -> dict[str, Figures]:
    """The figures of each task name, in the order in which they were first heard of."""
    by_name: dict[str, list[TaskHistory]] = {}
    for task in trace.tasks.values():
        by_name.setdefault(task.name, []).append(task)
    lost = trace.lost()
    return {name: figures_of(tasks, lost) for name, tasks in by_name.items()}


def completion_ns(task: TaskHistory) -> int | None:
    """The time from sent to settled; ``None`` while it is not settled."""
    if task.settled_at_ns is None:
        return None
    first_ns = task.sent_at_ns if task.sent_at_ns is not None else task.events[0].at_ns
    return task.settled_at_ns - first_ns


def length_ns(trace: Trace) -> int:
    """The virtual time until the last task settled; until the end of the run, if one did not."""
    if trace.ended is not None and not all(task.settled for task in trace.tasks.values()):
        return trace.ended.at_ns - trace.start_ns
    return trace.last_settled_ns - trace.start_ns


def worst(trace: Trace, count: int) -> list[TaskHistory]:
    """The tasks that fared worst: lost, then failed, then by attempts and time; one of each timeline."""
    lost = trace.lost()

    def badness(task: TaskHistory) -> tuple[bool, bool, int, int]:
        bad = task.state in ("FAILURE", "REJECTED")
        return task.task_id in lost, bad, len(task.attempts), completion_ns(task) or 0

    alike: dict[str, TaskHistory] = {}
    for task in sorted(trace.tasks.values(), key=badness, reverse=True):
        alike.setdefault(f"{task.name} {task.timeline}", task)
    return list(alike.values())[:count]


def _percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The nearest rank: the least value that so many percent of all do not pass."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None
