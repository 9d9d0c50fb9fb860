"""One run of the contest: a workload under one policy, on a simulated worker."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from celery import Celery

from retrysim.audit.contest.waiting import Waiting, named, place
from retrysim.audit.contest.workload import ApiCall, LimitedApi, Workload
from retrysim.audit.inspection import inspect_task
from retrysim.audit.stage import replace_body, set_stage
from retrysim.celery.hosting import prepare
from retrysim.celery.imports import import_audited
from retrysim.durations import DAY, SECOND
from retrysim.errors import InputError
from retrysim.kernel import Limits
from retrysim.simulation import Simulation
from retrysim.undo import UndoStack

#: Where a policy that has no end is called off: its tasks are let through.
_MOST_RETRIES = 100
_LIMITS = Limits(virtual_ns=1_000_000 * DAY, attempts_per_task=10 * _MOST_RETRIES, events=10**9)
#: An attempt: calls the API and returns, or lets the task be retried.
Attempt = Callable[[Any, LimitedApi], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A policy by its name; one that is a task's own has the task's name, too, and the policy's key."""

    name: str
    task: str | None = None
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestRun:
    """The outcome of one run: ``drained_ns`` is when the last served task was, ``peak`` the most calls in a second."""

    lost: int
    drained_ns: int
    peak: int
    calls: tuple[ApiCall, ...]

    @property
    def refused(self) -> int:
        return sum(not call.served for call in self.calls)


def run(app_name: str, workload: Workload, contestant: Contestant, seed: int) -> ContestRun:
    """Play it. Names travel between processes, functions do not: both apps and policies are looked up here."""
    if contestant.task is None:
        app = Celery("contest", set_as_current=False)
        task = app.task(_nothing, name="contest.call", bind=True, shared=False, max_retries=workload.max_retries)
        return _play(app, task.name, _waiting(named(contestant.name), workload), workload, seed)
    app = import_audited(app_name)
    policies = inspect_task(app, contestant.task).policies
    [policy] = [policy for policy in policies if policy.key == contestant.key]
    return _play(app, contestant.task, _refusing(policy.refuse), workload, seed)


def _nothing(_task: Any) -> None:
    """The body of the contest's task, until it is replaced."""


def _refusing(refuse: Callable[[Any], None]) -> Attempt:
    def attempt(task: Any, api: LimitedApi) -> None:
        if api.call(task.request.retries) is not None and task.request.retries < _MOST_RETRIES:
            refuse(task)

    return attempt


def _waiting(waiting: Waiting, workload: Workload) -> Attempt:
    places = count()

    def attempt(task: Any, api: LimitedApi) -> None:
        if waiting.gated and task.request.retries == 0:
            number = next(places)
            if number >= workload.limit.amount:
                raise task.retry(countdown=place(number, workload))
        refusal = api.call(task.request.retries)
        if refusal is not None and task.request.retries < _MOST_RETRIES:
            raise task.retry(countdown=waiting.wait(refusal, workload))

    return attempt


def _play(app: Any, task_name: str, attempt: Attempt, workload: Workload, seed: int) -> ContestRun:
    with UndoStack() as undo:
        prepare(app)
        set_stage(undo, app)
        task, apis = app.tasks[task_name], list[LimitedApi]()
        nonsense: list[InputError] = []

        def body(*_args: Any, **_kwargs: Any) -> None:
            try:
                attempt(task, apis[0])
            except InputError as error:  # it would only fail the task
                nonsense.append(error)

        replace_body(undo, task, body)
        with Simulation(seed=seed, broker="memory", limits=_LIMITS) as sim:
            sim.start_worker(app)
            random.seed(f"{seed}/{task_name}")
            apis.append(LimitedApi(workload, sim.environment.clock))
            for _ in range(workload.tasks):
                task.apply_async()
            sim.run()
            if nonsense:
                raise nonsense[0]
            return _result(workload, tuple(apis[0].calls))


def _result(workload: Workload, calls: tuple[ApiCall, ...]) -> ContestRun:
    served = [call.at_ns for call in calls if call.served]
    by_second = Counter(call.at_ns // SECOND for call in calls)
    return ContestRun(
        lost=workload.tasks - len(served),
        drained_ns=max(served, default=0),
        peak=max(by_second.values(), default=0),
        calls=calls,
    )
