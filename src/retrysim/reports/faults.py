"""The faults of a run, as marks on its time axis."""

from __future__ import annotations

from retrysim.trace import FaultFired, Trace, WorkerStopped


def faults_of(trace: Trace) -> list[tuple[int, FaultFired | WorkerStopped]]:
    """What was broken or repaired, and workers that died of something else, each with its position in the trace."""
    fired = [(index, event) for index, event in enumerate(trace) if isinstance(event, FaultFired | WorkerStopped)]
    at = {event.at_ns for _, event in fired if isinstance(event, FaultFired)}
    return [(i, e) for i, e in fired if isinstance(e, FaultFired) or (e.how != "warm" and e.at_ns not in at)]
