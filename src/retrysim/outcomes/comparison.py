"""Two runs of one scenario side by side: do tasks, faults, calls and limits end alike on both arms?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from retrysim.durations import format_duration
from retrysim.outcomes.outcome import Outcome
from retrysim.trace import ApiCalled, FaultFired, TaskHistory, Trace, WorkerStopped
from retrysim.trace.history import STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that both runs have, or one of them."""

    what: str
    simulated: str
    live: str
    same: bool
    #: whether a difference means that the arms disagree; a busy machine is slow, and that says nothing
    weighs: bool = True


def compare(simulated: Outcome, live: Outcome, tolerance_ns: int) -> list[Row]:
    """Everything that can be compared; only durations have a tolerance."""
    rows = [*_rows(_tasks(simulated.trace), _tasks(live.trace)), *_rows(_faults(simulated.trace), _faults(live.trace))]
    rows += _rows(_calls(simulated.trace), _calls(live.trace))
    apart_ns = abs(simulated.elapsed_ns - live.elapsed_ns)
    rows.append(
        Row(
            what=f"elapsed, within {format_duration(tolerance_ns)}",
            simulated=format_duration(simulated.elapsed_ns),
            live=format_duration(live.elapsed_ns // 1_000_000 * 1_000_000),
            same=apart_ns <= tolerance_ns,
            weighs=False,
        )
    )
    return rows


def agree(rows: list[Row]) -> bool:
    """Whether nothing differs that weighs."""
    return all(row.same or not row.weighs for row in rows)


def _rows(simulated: Counter[str], live: Counter[str]) -> Iterator[Row]:
    for what in sorted({*simulated, *live}):
        yield Row(what=what, simulated=str(simulated[what]), live=str(live[what]), same=simulated[what] == live[what])


def _tasks(trace: Trace) -> Counter[str]:
    """How many tasks of each name went through the same states, in as many attempts."""
    return Counter(_course(task) for task in trace.tasks.values())


def _course(task: TaskHistory) -> str:
    states = [STATES[type(event)] for event in task.events if type(event) in STATES]
    if not states or states[-1] != task.state:
        states.append(task.state)
    attempts = len(task.attempts)
    return f"{task.name}: {' '.join(states)} in {attempts} attempt{'' if attempts == 1 else 's'}"


def _faults(trace: Trace) -> Counter[str]:
    """What was struck, what it did to workers, and what is lost by it."""
    counts: Counter[str] = Counter(f"fault {e.name!r}: {e.verb} {e.target}" for e in trace.of(FaultFired))
    if counts and trace.ended is not None:  # workers that are stopped after the end say nothing
        events = tuple(trace)
        during = events[: events.index(trace.ended)]
        stops = (event for event in during if isinstance(event, WorkerStopped))
        counts.update(f"{event.worker} stopped: {event.how}" for event in stops)
    lost = len(trace.lost())
    return counts + Counter({"tasks lost": lost} if lost else {})


def _calls(trace: Trace) -> Counter[str]:
    return Counter(f"{call.fake} {call.endpoint}: {call.answer}, {call.decision}" for call in trace.of(ApiCalled))


def _mark(row: Row) -> str:
    return " " if row.same else "!" if row.weighs else "~"


def table(rows: list[Row]) -> str:
    """The rows as text; those that differ are marked, with ``~`` where that does not weigh."""
    widths = [max(len(getattr(row, name)) for row in rows) for name in ("simulated", "live")]
    widths = [max(width, len(name)) for width, name in zip(widths, ("simulated", "live"), strict=True)]
    lines = [f"    {'simulated':>{widths[0]}}  {'live':>{widths[1]}}"]
    lines += [f"  {_mark(row)} {row.simulated:>{widths[0]}}  {row.live:>{widths[1]}}  {row.what}" for row in rows]
    return "\n".join(lines)
