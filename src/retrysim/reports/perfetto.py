"""A run as Chrome trace events, which https://ui.perfetto.dev and ``chrome://tracing`` open.

One process per worker, one thread per slot, a slice per attempt, an instant per call and fault, a counter of waiting
tasks. Times are microseconds since the start of the run. Virtual time knows no finer, so what happens at one instant is
laid side by side in the nanoseconds after it: slices at one instant would be drawn each inside the one before.
Format: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from retrysim.clock import GRID_NS
from retrysim.printable import json_text
from retrysim.reports.depth import depths_of
from retrysim.reports.faults import faults_of
from retrysim.reports.lanes import LanePosition, Lanes, lanes_of
from retrysim.reports.shown import shown
from retrysim.reports.story import line_of
from retrysim.reports.words import last_part
from retrysim.trace import ApiCalled, Trace

#: The process of what belongs to no worker: the queue, faults, calls from outside of all tasks.
_RUN = 1
#: Threads of a process are numbered from a multiple of this: one whose number is that of its process is a main thread.
_SLOTS = 10_000
_OUTSIDE = _RUN * _SLOTS + 1
#: The nanoseconds that an instant has for what happens at it.
_SIDE_BY_SIDE = GRID_NS - 1


def perfetto_report(trace: Trace) -> str:
    """The text of the JSON file."""
    trace = shown(trace)
    lanes = lanes_of(trace)
    events = [*_names(lanes), *_slices(trace, lanes), *_calls(trace, lanes), *_waiting(trace), *_faults(trace)]
    return json_text({"displayTimeUnit": "ms", "traceEvents": events}, compact=True)


def _names(lanes: Lanes) -> Iterator[dict[str, Any]]:
    yield _meta("process_name", _RUN, 0, "the run")
    yield _meta("thread_name", _RUN, _OUTSIDE, "outside of tasks")
    for index, lane in enumerate(lanes.lanes):
        pid, tid = _address(lanes, index)
        if lane.slot == 1:
            yield _meta("process_name", pid, 0, lane.worker)
        yield _meta("thread_name", pid, tid, f"slot {lane.slot}")


def _meta(name: str, pid: int, tid: int, value: str) -> dict[str, Any]:
    return {"name": name, "ph": "M", "pid": pid, "tid": tid, "args": {"name": value}}


def _address(lanes: Lanes, index: int) -> tuple[int, int]:
    """The process and the thread of a lane."""
    lane = lanes.lanes[index]
    workers = list(dict.fromkeys(lane.worker for lane in lanes.lanes))
    pid = _RUN + 1 + workers.index(lane.worker)
    return pid, pid * _SLOTS + lane.slot


def _slices(trace: Trace, lanes: Lanes) -> Iterator[dict[str, Any]]:
    addresses = [_address(lanes, index) for index in range(len(lanes.lanes))]
    for bar in lanes.bars:
        pid, tid = addresses[bar.lane]
        start = _since_start(trace, lanes, bar.start)
        yield {
            "name": last_part(bar.name),
            "cat": bar.state,
            "ph": "X",
            "ts": _microseconds(start),
            "dur": _microseconds(_since_start(trace, lanes, bar.end) - start),
            "pid": pid,
            "tid": tid,
            "args": {"task": bar.task_id, "attempt": bar.attempt, "state": bar.state, "name": bar.name},
        }


def _calls(trace: Trace, lanes: Lanes) -> Iterator[dict[str, Any]]:
    bar_of = {(bar.task_id, bar.attempt): bar for bar in lanes.bars}
    addresses = [_address(lanes, index) for index in range(len(lanes.lanes))]
    for call in trace.of(ApiCalled):
        bar, place = bar_of.get((call.task_id or "", call.attempt or 0)), LanePosition(call.at_ns)
        pid, tid = (_RUN, _OUTSIDE) if bar is None else addresses[bar.lane]
        ns = _since_start(trace, lanes, place if bar is None else max(bar.start, place))
        args = {"fake": call.fake, "limit": call.limit, "remaining": call.remaining, "task": call.task_id}
        name = f"{call.answer} {call.endpoint}"
        yield _instant(ns, name, call.decision, "t", pid=pid, tid=tid, args=args)


def _waiting(trace: Trace) -> Iterator[dict[str, Any]]:
    """The counter, once per instant."""
    last: dict[int, dict[str, int]] = {}
    for event, depth in zip(trace, depths_of(trace), strict=True):
        last[event.at_ns] = {"in a queue": depth.queued, "with a worker": depth.held}
    for at_ns, args in last.items():
        ts = _microseconds(at_ns - trace.start_ns)
        yield {"name": "waiting", "ph": "C", "ts": ts, "pid": _RUN, "tid": 0, "args": args}


def _faults(trace: Trace) -> Iterator[dict[str, Any]]:
    for _, event in faults_of(trace):
        text = line_of(trace, event).text
        yield _instant(event.at_ns - trace.start_ns, text, "fault", "g", pid=_RUN, tid=_OUTSIDE, args={})


def _instant(ns: int, name: str, kind: str, scope: str, *, pid: int, tid: int, args: dict[str, Any]) -> dict[str, Any]:
    ts = _microseconds(ns)
    return {"name": name, "cat": kind, "ph": "i", "s": scope, "ts": ts, "pid": pid, "tid": tid, "args": args}


def _since_start(trace: Trace, lanes: Lanes, place: LanePosition) -> int:
    """The nanosecond at which a place is drawn."""
    columns = max(_SIDE_BY_SIDE, lanes.columns[place.at_ns])
    return place.at_ns - trace.start_ns + place.column * _SIDE_BY_SIDE // columns


def _microseconds(ns: int) -> int | float:
    return ns / GRID_NS if ns % GRID_NS else ns // GRID_NS
