"""Swim lanes: which slot of which worker ran which attempt, and in which order things happened at one instant.

A trace names the worker of an attempt but not its slot: an attempt is given to the slot that was free the longest.
Many attempts may begin and end at one instant (a body costs no virtual time unless it waits), so a place has, next to
its instant, a *column*: how many such attempts its lane had before, at that instant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from retrysim.trace import Event, FaultFired, TaskOutcome, TaskStarted, Trace, WorkerReady, WorkerStopped
from retrysim.trace.history import STATES

#: The end of an attempt that was still running when its worker went, or when the run ended.
KILLED, RUNNING = "KILLED", "RUNNING"


@dataclass(frozen=True, slots=True, order=True)
class LanePosition:
    """An instant, and a position in the order of what happened then."""

    at_ns: int
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One attempt in its lane; ``state`` is what it ended in: a state of Celery's, ``KILLED`` or ``RUNNING``."""

    lane: int
    task_id: str
    name: str
    attempt: int
    state: str
    start: LanePosition
    end: LanePosition


@dataclass(frozen=True, slots=True)
class Lane:
    """One slot of a worker; slots count from 1."""

    worker: str
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """Every attempt of a run in its lane.

    ``places`` holds one place per event of the trace. Workers that stop after the end of the run do so at its end.
    """

    lanes: Sequence[Lane]
    bars: Sequence[Bar]
    places: Sequence[LanePosition]
    columns: Counter[int]  # instant -> how many columns its fullest lane needs


def lanes_of(trace: Trace) -> Lanes:
    """Lay out every attempt of a run."""
    packer = _Packer()
    last_ns = trace.ended.at_ns if trace.ended else max((event.at_ns for event in trace), default=trace.start_ns)
    for event in trace:
        packer.hear(event, min(event.at_ns, last_ns))
    packer.close_all()
    return packer.laid_out()


@dataclass(slots=True)
class _Open:
    lane: int
    event: TaskStarted
    start: LanePosition


@dataclass(slots=True)
class _Packer:
    lanes: list[Lane] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    places: list[LanePosition] = field(default_factory=list)
    columns: Counter[int] = field(default_factory=Counter)
    now_ns: int = 0
    _of_worker: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _free: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _open: defaultdict[str, list[_Open]] = field(default_factory=lambda: defaultdict(list))
    _child_lost: dict[str, int] = field(default_factory=dict)  # worker -> when it last lost a pool process
    _cursor: dict[int, LanePosition] = field(default_factory=dict)  # lane -> where its next attempt begins

    def hear(self, event: Event, at_ns: int) -> None:
        self.now_ns = at_ns
        if isinstance(event, WorkerReady):
            self._grow(event.worker, event.concurrency)
        elif isinstance(event, TaskStarted):
            self._end_killed(event)
            self._begin(event)
        elif isinstance(event, FaultFired) and event.verb == "kill_child":
            self._child_lost[event.target] = event.at_ns
        elif isinstance(event, WorkerStopped):
            self._close_worker(event.worker)
        elif isinstance(event, TaskOutcome):
            self._end_by(event)
        self.places.append(LanePosition(at_ns, self.columns[at_ns]))

    def close_all(self) -> None:
        for attempts in self._open.values():
            while attempts:
                self._end(attempts.pop(), RUNNING)

    def laid_out(self) -> Lanes:
        order = [lane for worker in self._of_worker.values() for lane in worker]
        position = {lane: index for index, lane in enumerate(order)}
        bars = [replace(bar, lane=position[bar.lane]) for bar in self.bars]
        return Lanes(
            lanes=[self.lanes[lane] for lane in order],
            bars=sorted(bars, key=lambda bar: (bar.lane, bar.start, bar.end)),
            places=self.places,
            columns=+self.columns,
        )

    def _grow(self, worker: str, slots: int) -> None:
        """Give a worker that many lanes, if it has fewer."""
        lanes = self._of_worker[worker]
        while len(lanes) < slots:
            lanes.append(len(self.lanes))
            self._free[worker].append(len(self.lanes))
            self.lanes.append(Lane(worker, len(lanes)))

    def _begin(self, event: TaskStarted) -> None:
        free = self._free[event.worker]
        if not free:
            self._grow(event.worker, len(self._of_worker[event.worker]) + 1)
        lane = free.pop(0)
        self._open[event.task_id].append(_Open(lane, event, self._here(lane)))

    def _end_by(self, event: TaskOutcome) -> None:
        attempts = self._open[event.task_id]
        for attempt in [attempt for attempt in attempts if attempt.event.attempt == event.attempt]:
            attempts.remove(attempt)
            self._end(attempt, STATES[type(event)])

    def _end_killed(self, event: TaskStarted) -> None:
        """A task that starts again on a worker that lost a pool process was in that process."""
        attempts = self._open[event.task_id]
        for attempt in [attempt for attempt in attempts if self._lost_its_child(attempt, event.worker)]:
            attempts.remove(attempt)
            self._end(attempt, KILLED)

    def _lost_its_child(self, attempt: _Open, worker: str) -> bool:
        return attempt.event.worker == worker and self._child_lost.get(worker, -1) >= attempt.event.at_ns

    def _here(self, lane: int) -> LanePosition:
        return max(self._cursor.get(lane, LanePosition(0)), LanePosition(self.now_ns))

    def _end(self, attempt: _Open, state: str) -> None:
        here = self._here(attempt.lane)
        if attempt.start.at_ns == self.now_ns:
            here = LanePosition(self.now_ns, attempt.start.column + 1)
        self._cursor[attempt.lane] = here
        self.columns[here.at_ns] = max(self.columns[here.at_ns], here.column)
        self._free[attempt.event.worker].append(attempt.lane)
        self.bars.append(
            Bar(
                lane=attempt.lane,
                task_id=attempt.event.task_id,
                name=attempt.event.name,
                attempt=attempt.event.attempt,
                state=state,
                start=attempt.start,
                end=here,
            )
        )

    def _close_worker(self, worker: str) -> None:
        for attempts in self._open.values():
            for attempt in [attempt for attempt in attempts if attempt.event.worker == worker]:
                attempts.remove(attempt)
                self._end(attempt, KILLED)
