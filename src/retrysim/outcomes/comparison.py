"""Two runs of one scenario side by side: do tasks, faults, calls and limits begin and end alike on both arms?

Names, states, errors and counts are compared exactly; starts by how far they are apart, in real time. Tasks of one name
that were sent alike stand for each other: which of them comes first is a race.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from retrysim.durations import SECOND, format_duration
from retrysim.outcomes.outcome import Outcome
from retrysim.trace import ApiCalled, FaultFired, TaskFailed, TaskHistory, TaskRetried, Trace, WorkerStopped
from retrysim.trace.history import STATES

#: How far starts may be apart in the median, in real time, not counting what all are late: a busy machine begins late.
_MEDIAN_NS = SECOND
#: From how many starts on a median is judged: one that waits for a new pool process, or for a server that delays its
#: message by a clock of its own, is late by seconds.
_ENOUGH = 20
#: How far apart two starts are in the simulation if their order is no race on real workers, in real time.
_APART_NS = 2 * SECOND
#: What differs between two runs in the text of an error: ids, addresses, numbers of processes and of jobs.
_OF_ONE_RUN = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b0x[0-9a-f]+\b|(?<=\bJob: )\d+|(?<=\bpid )\d+|[\w.-]+:\d{2,5}\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """One thing that both runs have, or one of them."""

    what: str
    simulated: str
    live: str
    same: bool
    #: whether a difference means that the arms disagree; a busy machine is slow, and that says nothing
    weighs: bool = True


def compare(simulated: Outcome, live: Outcome, tolerance_ns: int, scale: float) -> list[ComparedRow]:
    """Everything that can be compared; only instants have a tolerance. ``scale``: the speed of the live run."""
    rows = [*_rows(_tasks(simulated.trace), _tasks(live.trace)), *_rows(_errors(simulated.trace), _errors(live.trace))]
    rows += [*_rows(_faults(simulated.trace), _faults(live.trace)), *_rows(_calls(simulated.trace), _calls(live.trace))]
    rows += _starts(simulated.trace, live.trace, tolerance_ns, scale)
    apart_ns = abs(simulated.elapsed_ns - live.elapsed_ns)
    rows.append(
        ComparedRow(
            what=f"elapsed, within {format_duration(tolerance_ns)}",
            simulated=format_duration(simulated.elapsed_ns),
            live=format_duration(live.elapsed_ns // 1_000_000 * 1_000_000),
            same=apart_ns <= tolerance_ns,
            weighs=False,
        )
    )
    return rows


def agree(rows: list[ComparedRow]) -> bool:
    """Whether nothing differs that weighs."""
    return all(row.same or not row.weighs for row in rows)


def _rows(simulated: Counter[str], live: Counter[str]) -> Iterator[ComparedRow]:
    for what in sorted({*simulated, *live}):
        yield ComparedRow(
            what=what, simulated=str(simulated[what]), live=str(live[what]), same=simulated[what] == live[what]
        )


def _tasks(trace: Trace) -> Counter[str]:
    """How many tasks of each name went through the same states, in as many attempts."""
    return Counter(_course(task) for task in trace.tasks.values())


def _course(task: TaskHistory) -> str:
    states = [STATES[type(event)] for event in task.events if type(event) in STATES]
    if not states or states[-1] != task.state:
        states.append(task.state)
    attempts = len(task.attempts)
    return f"{task.name}: {' '.join(states)} in {attempts} attempt{'' if attempts == 1 else 's'}"


def _errors(trace: Trace) -> Counter[str]:
    """What tasks failed with, and were retried for."""
    return Counter(
        f"{task.name}: {STATES[type(event)]} by {_OF_ONE_RUN.sub('...', event.exception)}"
        for task in trace.tasks.values()
        for event in task.events
        if isinstance(event, TaskFailed | TaskRetried) and event.exception
    )


# -- instants ----------------------------------------------------------------------------------------------------------


def _starts(simulated: Trace, live: Trace, tolerance_ns: int, scale: float) -> Iterator[ComparedRow]:
    """How far the starts of both runs are apart, and whether those that are no race came in the same order."""
    starts = _pairs(_starts_by_task(simulated), _starts_by_task(live))
    if not starts:
        return
    calm = not any(simulated.of(FaultFired))  # how soon a machine recovers says nothing
    late = [theirs - ours for ours, theirs in starts]
    all_late = median(late)
    apart = {
        "late, in the median": (all_late, tolerance_ns),
        "apart otherwise, in the median": (median(abs(one - all_late) for one in late), _MEDIAN_NS * scale),
        "early or late at most": (max(map(abs, late)), tolerance_ns),
    }
    for word, (value, allowed_ns) in apart.items():
        yield ComparedRow(
            what=f"real time that {len(late)} starts are {word}; within {_real(allowed_ns, scale)}",
            simulated="",
            live=_real(value, scale),
            same=abs(value) <= allowed_ns,
            weighs=calm and len(late) >= _ENOUGH and word != "early or late at most",
        )
    reversed_ = _out_of_order(starts, int(_APART_NS * scale))
    yield ComparedRow(
        what=f"starts that came before one which is {_real(_APART_NS * scale, scale)} of real time earlier",
        simulated="0",
        live=str(reversed_),
        same=not reversed_,
        weighs=calm,
    )


def _starts_by_task(trace: Trace) -> dict[tuple[str, int], list[int]]:
    """The instants from the start of the run, by name and number of the attempt."""
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    for task in trace.tasks.values():
        for attempt in task.attempts:
            found[task.name, attempt.number].append(attempt.start_ns - trace.start_ns)
    return found


def _pairs(ours: dict[tuple[str, int], list[int]], theirs: dict[tuple[str, int], list[int]]) -> list[tuple[int, int]]:
    """Each start and the one in its place, where both runs have as many: the other rows tell of the rest."""
    alike = (key for key in ours if len(ours[key]) == len(theirs.get(key, ())))
    return sorted(pair for key in alike for pair in zip(sorted(ours[key]), sorted(theirs[key]), strict=True))


def _out_of_order(starts: list[tuple[int, int]], apart_ns: int) -> int:
    """How many came, on the live arm, before one that is this much earlier on the simulated."""
    instants = [ours for ours, _ in starts]
    latest = list(accumulate((theirs for _, theirs in starts), max))
    before = ((theirs, bisect_right(instants, ours - apart_ns)) for ours, theirs in starts)
    return sum(count > 0 and latest[count - 1] > theirs for theirs, count in before)


def _real(virtual_ns: float, scale: float) -> str:
    hundredths = round(virtual_ns / scale / 1e7)
    return f"{'-' * (hundredths < 0)}{format_duration(abs(hundredths) * 10_000_000)}"


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


def _mark(row: ComparedRow) -> str:
    return " " if row.same else "!" if row.weighs else "~"


def table(rows: list[ComparedRow]) -> str:
    """The rows as text; those that differ are marked, with ``~`` where that does not weigh."""
    widths = [max(len(getattr(row, name)) for row in rows) for name in ("simulated", "live")]
    widths = [max(width, len(name)) for width, name in zip(widths, ("simulated", "live"), strict=True)]
    lines = [f"    {'simulated':>{widths[0]}}  {'live':>{widths[1]}}"]
    lines += [f"  {_mark(row)} {row.simulated:>{widths[0]}}  {row.live:>{widths[1]}}  {row.what}" for row in rows]
    return "\n".join(lines)
