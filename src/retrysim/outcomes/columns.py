"""What happened to one task as a table in virtual time: a column for the broker and one for each worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from retrysim.clock import time_of_day, to_datetime
from retrysim.durations import format_duration
from retrysim.trace import TaskHistory, Trace, events

#: How many rows are shown; of a longer table the beginning and the end.
MOST_ROWS = 16
#: How much of an exception's text is shown, in characters.
_LONGEST = 72

_BROKER = "broker"
#: When, in which column, what.
Row = tuple[int, str, str]


def columns(trace: Trace, task: TaskHistory) -> list[str]:
    """The lines of the table; none for a task that did nothing but be sent."""
    rows = list(_rows(trace, task))
    if len(rows) < 2:
        return []
    names = list(dict.fromkeys([_BROKER, *(column for _, column, _ in rows)]))
    table = [["", *names], *_cells(trace, _shortened(rows), names)]
    widths = [max(len(line[index]) for line in table if len(line) > index) for index in range(len(names))]
    return ["  ".join(map(str.ljust, line, [*widths, 0])).rstrip() for line in table]


def _shortened(rows: Sequence[Row]) -> list[Row]:
    if len(rows) <= MOST_ROWS:
        return list(rows)
    head = MOST_ROWS // 2
    left_out = (rows[head][0], "", f"... {len(rows) - MOST_ROWS} rows ...")
    return [*rows[:head], left_out, *rows[head - MOST_ROWS :]]


def _cells(trace: Trace, rows: Sequence[Row], names: Sequence[str]) -> Iterator[list[str]]:
    """Each row as cells up to its last, the instant only where it is another than before."""
    spans_days = to_datetime(rows[0][0]).date() != to_datetime(rows[-1][0]).date()
    shown_ns: int | None = None
    for at_ns, column, text in rows:
        if not column:
            yield [text]
            continue
        day = to_datetime(at_ns).strftime("%m-%d ") if spans_days else ""
        when = "" if at_ns == shown_ns else day + time_of_day(at_ns)
        yield [when, *[""] * names.index(column), text]
        shown_ns = at_ns


def _rows(trace: Trace, task: TaskHistory) -> Iterator[Row]:
    """The task's own events, and what befell its workers and the broker meanwhile."""
    worker = "worker"
    around = list(_around(trace, task))
    for event, following in pairwise([*around, None]):
        assert event is not None
        if isinstance(event, events.TaskReceived | events.TaskStarted):
            worker = event.worker
        if isinstance(event, events.TaskReceived) and _begins_at_once(event, following):
            continue
        text = _text(event)
        if text:
            yield event.at_ns, _column(event, worker), text


def _around(trace: Trace, task: TaskHistory) -> Iterator[events.Event]:
    if not task.events:
        return
    workers = {event.worker for event in task.events if isinstance(event, events.TaskReceived | events.TaskStarted)}
    begun_ns, mine = task.events[0].at_ns, {id(event) for event in (*task.events, *task.api_calls)}
    for event in trace:
        if id(event) in mine or (event.at_ns >= begun_ns and _befell(event, workers)):
            yield event


def _befell(event: events.Event, workers: set[str]) -> bool:
    """Whether something broke: a fault, or a worker that is gone otherwise than by a warm shutdown."""
    if isinstance(event, events.WorkerStopped):
        return event.worker in workers and event.how != "warm"
    return isinstance(event, events.FaultFired)


def _begins_at_once(event: events.TaskReceived, following: events.Event | None) -> bool:
    if not isinstance(following, events.TaskStarted):
        return False
    return (following.at_ns, following.worker) == (event.at_ns, event.worker)


def _column(event: events.Event, worker: str) -> str:
    if isinstance(event, events.TaskSent | events.FaultFired):
        return _BROKER
    return event.worker if isinstance(event, events.WorkerStopped) else worker


def _text(event: events.Event) -> str:
    tell = _TEXTS.get(type(event))
    return tell(event) if tell is not None else ""


def _because(reason: str) -> str:
    return f": {reason[:_LONGEST]}{'...' if len(reason) > _LONGEST else ''}" if reason else ""


def _sent(event: events.TaskSent) -> str:
    due = "" if event.eta_ns is None else f", due {time_of_day(event.eta_ns)}"
    return f"{f'retry {event.retries} ' if event.retries else ''}to {event.queue}{due}"


def _called(event: events.ApiCalled) -> str:
    opens = "" if event.retry_at_ns is None else f" (open at {time_of_day(event.retry_at_ns)})"
    return f"{event.answer} {event.endpoint}{opens}"


def _retried(event: events.TaskRetried) -> str:
    return f"RETRY in {format_duration(event.due_ns - event.at_ns)}" + _because(event.exception)


_TEXTS: dict[type[events.Event], Callable[[Any], str]] = {
    events.TaskSent: _sent,
    events.TaskReceived: lambda event: "received",
    events.TaskStarted: lambda event: f"attempt {event.attempt}",
    events.ApiCalled: _called,
    events.TaskRetried: _retried,
    events.TaskFailed: lambda event: "FAILURE" + _because(event.exception),
    events.TaskRejected: lambda event: "REJECTED" + _because(event.reason),
    events.TaskRevoked: lambda event: "REVOKED" + (": it had expired" if event.expired else ""),
    events.TaskSucceeded: lambda event: "SUCCESS",
    events.TaskIgnored: lambda event: "IGNORED",
    events.WorkerStopped: lambda event: f"the worker is gone ({event.how})",
    events.FaultFired: lambda event: f"fault {event.name}: {event.verb} {event.target}",
}
