"""Queue depth: how many tasks wait in a queue, and how many with a worker, for their ETA or for a free slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrysim.trace import Event, FaultFired, TaskReceived, TaskSent, TaskStarted, Trace, WorkerStopped
from retrysim.trace.events import TaskEvent
from retrysim.trace.history import STATES


@dataclass(frozen=True, slots=True)
class Depth:
    """How many tasks wait after an event: ``queued`` in a queue, ``held`` by a worker."""

    queued: int
    held: int

    @property
    def total(self) -> int:
        return self.queued + self.held


_QUEUED = ""  # the holder of a task that no worker has


def depths_of(trace: Trace) -> Sequence[Depth]:
    """The depth after each event of the trace."""
    holder: dict[str, str] = {}
    depths: list[Depth] = []
    queued = 0
    vanishing = _vanishing(trace)
    for index, event in enumerate(trace):
        queued += _hear(event, holder)
        for task_id in vanishing.get(index, ()):
            queued -= holder.pop(task_id, None) == _QUEUED
        depths.append(Depth(queued, len(holder) - queued))
    return depths


def _vanishing(trace: Trace) -> dict[int, list[str]]:
    """Where messages that are nowhere in the end were lost: at the first fault after the task's last event.

    Position in the trace -> task ids; without such a fault, the position of the last event.
    """
    holding = {task_id for task_id, _ in trace.ended.holding} if trace.ended else set()
    last: dict[str, int] = dict.fromkeys(trace.lost().keys() - holding, 0)
    faults = []
    for index, event in enumerate(trace):
        if isinstance(event, TaskEvent) and event.task_id in last:
            last[event.task_id] = index
        elif isinstance(event, FaultFired | WorkerStopped):
            faults.append(index)
    vanishing: dict[int, list[str]] = {}
    for task_id, index in last.items():
        vanishing.setdefault(next((fault for fault in faults if fault > index), index), []).append(task_id)
    return vanishing


def _hear(event: Event, holder: dict[str, str]) -> int:
    """Note who holds the event's task from now on; returns by how many more tasks are in a queue."""
    if isinstance(event, WorkerStopped):
        back = [task_id for task_id, worker in holder.items() if worker == event.worker]
        holder.update(dict.fromkeys(back, _QUEUED))  # what was not acknowledged goes back to its queue
        return len(back)
    if not isinstance(event, TaskEvent):
        return 0
    before = holder.get(event.task_id)
    if isinstance(event, TaskSent):
        after: str | None = _QUEUED
    elif isinstance(event, TaskReceived):
        after = event.worker
    elif isinstance(event, TaskStarted) or (type(event) in STATES and STATES[type(event)] != "RETRY"):
        after = None
    else:
        return 0
    if after is None:
        holder.pop(event.task_id, None)
    else:
        holder[event.task_id] = after
    return (after == _QUEUED) - (before == _QUEUED)
