"""Whether a worker was busy: a retry that is due may wait for a free slot, and for nothing else."""

from __future__ import annotations

from retrysim.trace import TaskHistory, Trace, WorkerReady


def waited_for_a_slot(trace: Trace, task: TaskHistory, due_ns: int, started_ns: int) -> bool:
    """Whether the retry was due at ``due_ns`` and all slots of its worker were taken until it started."""
    if started_ns < due_ns or all(retry.due_ns != due_ns for retry in task.retries):
        return False
    worker = next(attempt.worker for attempt in task.attempts if attempt.start_ns == started_ns)
    slots = next((ready.concurrency for ready in trace.of(WorkerReady) if ready.worker == worker), 0)
    taken_ns = sum(
        max(0, min(attempt.end_ns or started_ns, started_ns) - max(attempt.start_ns, due_ns))
        for other in trace.tasks.values()
        for attempt in other.attempts
        if attempt.worker == worker
    )
    return slots > 0 and taken_ns == slots * (started_ns - due_ns)
