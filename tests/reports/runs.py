"""Runs written by hand, event by event: what the reports draw of them is written out in the tests."""

from __future__ import annotations

import random

from retrysim.durations import MINUTE, SECOND
from retrysim.trace import (
    ApiCalled,
    FaultFired,
    RunEnded,
    TaskFailed,
    TaskReceived,
    TaskRetried,
    TaskSent,
    TaskStarted,
    TaskSucceeded,
    Trace,
    WorkerReady,
    WorkerStopped,
)

#: 2015-08-03T12:00:00Z
NOON = 1_438_603_200 * SECOND
FETCH = "proj.tasks.fetch"


class Run:
    """A trace that grows, event by event; ``at`` is where it stands."""

    def __init__(self, name=FETCH):
        self.trace = Trace(seed=7, start_ns=NOON)
        self.at = NOON
        self.name = name
        self.attempts = {}  # task id -> the attempt that began last

    def add(self, kind, **values):
        self.trace.append(kind(at_ns=self.at, **values))

    def ready(self, worker="worker-1", concurrency=2):
        self.add(WorkerReady, worker=worker, concurrency=concurrency)

    def sent(self, task_id, retries=0, eta_ns=None, queue="celery"):
        self.add(TaskSent, task_id=task_id, name=self.name, queue=queue, retries=retries, eta_ns=eta_ns, parent_id=None)

    def received(self, task_id, worker="worker-1"):
        self.add(TaskReceived, task_id=task_id, worker=worker)

    def started(self, task_id, attempt=1, worker="worker-1"):
        self.attempts[task_id] = attempt
        self.add(TaskStarted, task_id=task_id, name=self.name, worker=worker, attempt=attempt)

    def called(self, task_id, status, attempt=1, remaining=0, reset_ns=NOON + 15 * MINUTE, limit=3):
        limited = status == 429
        self.add(
            ApiCalled,
            fake="twitter",
            endpoint="GET /timeline",
            status=status,
            decision="limited" if limited else "served",
            bucket="/timeline",
            partition="token-1",
            limit=limit,
            remaining=remaining,
            reset_ns=reset_ns,
            retry_at_ns=reset_ns if limited else None,
            told_ns=reset_ns if limited else None,
            task_id=task_id,
            attempt=attempt,
        )

    def retried(self, task_id, due_ns, exception="TooMany: 429", attempt=None):
        self.add(
            TaskRetried, task_id=task_id, attempt=attempt or self.attempts[task_id], due_ns=due_ns, exception=exception
        )

    def succeeded(self, task_id, result="2", attempt=None):
        self.add(TaskSucceeded, task_id=task_id, attempt=attempt or self.attempts[task_id], result=result)

    def failed(self, task_id, exception="ValueError: no"):
        traceback = f'Traceback (most recent call last):\n  File "tasks.py", line 7, in fetch\n{exception}'
        self.add(TaskFailed, task_id=task_id, attempt=self.attempts[task_id], exception=exception, traceback=traceback)

    def fault(self, verb, target, name="node lost"):
        self.add(FaultFired, verb=verb, target=target, name=name)

    def stopped(self, how, worker="worker-1"):
        self.add(WorkerStopped, worker=worker, how=how)

    def ended(self, holding=()):
        self.add(RunEnded, idle=True, holding=holding)


def refused_and_retried():
    """Five calls of a limit of three: two are refused, wait for the reset, and one of them then fails."""
    run, reset = Run(), NOON + 15 * MINUTE
    ids = [f"{letter * 8}-0000" for letter in "abcde"]
    run.ready()
    for task_id in ids:
        run.sent(task_id)
    for number, task_id in enumerate(ids):
        run.received(task_id)
        run.started(task_id)
        if number < 3:
            run.called(task_id, 200, remaining=2 - number)
            run.succeeded(task_id)
        else:
            run.called(task_id, 429)
            run.sent(task_id, retries=1, eta_ns=reset)
            run.retried(task_id, reset)
            run.received(task_id)
    run.at = reset
    for number, task_id in enumerate(ids[3:]):
        run.started(task_id, attempt=2)
        run.called(task_id, 200, attempt=2, remaining=2 - number, reset_ns=reset + 15 * MINUTE)
        if number:
            run.failed(task_id)
        else:
            run.succeeded(task_id)
    run.ended()
    run.at += 2 * SECOND
    run.stopped("warm")
    return run.trace


def killed():
    """Two workers of one slot: the first is killed in its task, which is lost; the second goes on."""
    run = Run()
    run.ready("worker-1", 1)
    run.ready("worker-2", 1)
    for task_id, worker in (("lost-1", "worker-1"), ("fine-2", "worker-2")):
        run.sent(task_id)
        run.received(task_id, worker)
        run.started(task_id, worker=worker)
    run.at += 2 * SECOND
    run.fault("kill", "worker-1")
    run.stopped("killed")
    run.at += SECOND
    run.succeeded("fine-2", "None")
    run.ended()
    return run.trace


def many(attempts, slots=32, seed=1):
    """About so many attempts of calls that take a while, with a limit and retries at random delays."""
    run, draw = Run(), random.Random(seed)
    run.ready(concurrency=slots)
    free, tasks = [NOON] * slots, attempts // 2
    for number in range(tasks):
        run.sent(f"{number:08x}-task")
    pending = [(NOON, number, 1) for number in range(tasks)]
    events = []
    for due, number, attempt in pending:
        slot = min(range(slots), key=free.__getitem__)
        begin = max(due, free[slot])
        free[slot] = end = begin + draw.randrange(SECOND // 5, SECOND)
        events.append((begin, end, number, attempt))
        if attempt == 1:
            pending.append((end + draw.randrange(60 * SECOND), number, 2))
    moments = [(begin, 1, n, a) for begin, _, n, a in events] + [(end, 0, n, a) for _, end, n, a in events]
    for at, begins, number, attempt in sorted(moments):
        run.at, task_id = at, f"{number:08x}-task"
        if begins:
            run.received(task_id)
            run.started(task_id, attempt)
            run.called(task_id, 429 if attempt == 1 else 200, attempt, reset_ns=at - at % MINUTE + MINUTE, limit=200)
        elif attempt == 1:
            run.retried(task_id, at + SECOND)
        else:
            run.succeeded(task_id)
    run.ended()
    return run.trace
