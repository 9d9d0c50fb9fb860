"""Says of a run that would take years who waits for that: most often an epoch was taken for a number of seconds."""

from __future__ import annotations

from collections.abc import Iterator

from retrysim.clock import to_datetime
from retrysim.durations import SECOND, format_duration
from retrysim.kernel import Environment
from retrysim.patches import standing_of
from retrysim.trace import TaskRetried, TaskSent, Trace

#: Numbers of seconds that are Unix times from 2001 to 2286.
_EPOCHS = range(10**9, 10**10)
#: So many are named.
_MOST = 3


def late(environment: Environment, trace: Trace, due_ns: int) -> str:
    """Lines about those who wait until an instant, or longer; ``""`` where nobody is known to."""
    lines = [*_by_eta(trace, due_ns), *_by_sleep(environment, due_ns)]
    more = [f"  and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return "".join("\n" + line for line in [*lines[:_MOST], *more])


def _by_eta(trace: Trace, due_ns: int) -> Iterator[str]:
    etas = {sent.task_id: (sent.eta_ns, sent) for sent in trace.of(TaskSent) if sent.eta_ns is not None}
    began = {event.task_id: event.at_ns for event in trace.of(TaskRetried)}
    for task_id, (eta_ns, sent) in etas.items():
        if eta_ns >= due_ns - SECOND:
            wait_ns = eta_ns - began.get(task_id, sent.at_ns)
            who = f"task {sent.name}[{task_id[:8]}] waits {format_duration(wait_ns)} for its ETA"
            yield f"  {who}{_epoch(wait_ns, 'a countdown')}"


def _by_sleep(environment: Environment, due_ns: int) -> Iterator[str]:
    for process in environment.blocked():
        timeout = process.wait.timeout if process.wait is not None else None
        if timeout is not None and timeout.ns >= due_ns:
            ns = timeout.ns - environment.clock.ns
            yield "\n".join("  " + line for line in standing_of(process)) + _epoch(ns, "a number of seconds")


def _epoch(wait_ns: int, what: str) -> str:
    seconds = round(wait_ns / SECOND)
    if seconds not in _EPOCHS:
        return ""
    instant = to_datetime(seconds * SECOND).strftime("%Y-%m-%d %H:%M:%S")
    return f": {seconds} s, which is the Unix time of {instant} UTC. Was an epoch taken for {what}?"
