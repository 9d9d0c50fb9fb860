"""Invariants about queues: is a message left in one?"""

from __future__ import annotations

from retrysim.durations import format_duration
from retrysim.invariants.instants import time_of_day
from retrysim.invariants.invariant import Judgement, Problem
from retrysim.invariants.sentence import Sentence
from retrysim.trace import TaskHistory, TaskReceived, TaskSent, Trace, WorkerReady


@Sentence
def queues_drain(trace: Trace, /, *, queue: str | None = None) -> Judgement:
    """No message is left in a queue (in this queue) when the run ends: a worker received each."""
    judged = 0
    problems = []
    for task in trace.tasks.values() if trace.of(WorkerReady) else ():
        sent = [event for event in task.events if isinstance(event, TaskSent)]
        judged += sum(queue in (None, *event.queues) for event in sent)
        waiting = _waiting(task, sent)
        if waiting is not None and queue in (None, *waiting.queues):
            problems.append(Problem(text=_still_waits(trace, task, waiting), task_id=task.task_id))
    return Judgement(judged=judged, of="message to a worker", problems=tuple(problems))


def _waiting(task: TaskHistory, sent: list[TaskSent]) -> TaskSent | None:
    """The task's last message, if no worker has received it."""
    received = sum(isinstance(event, TaskReceived) for event in task.events)
    return sent[-1] if len(sent) > received else None


def _still_waits(trace: Trace, task: TaskHistory, message: TaskSent) -> str:
    if not message.queues:
        return f"{task.label} was sent at {time_of_day(message.at_ns)} and came into no queue"
    end_ns = trace.ended.at_ns if trace.ended else message.at_ns
    for_so_long = format_duration(end_ns - message.at_ns)
    return f"{task.label} still waits in queue {message.queue!r}, since {time_of_day(message.at_ns)} ({for_so_long})"
