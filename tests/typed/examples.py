"""The public face with its types: mypy and pyright check this file, and a test runs it.

What the comments call an error must be one: an ignore that nothing needs is reported.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import retrysim
from retrysim import InputError, Limits, Simulation, Violation
from retrysim.fakes import API, Twitter
from retrysim.invariants import (
    Invariant,
    Judgement,
    Problem,
    every_task_settles,
    no_task_fails,
    queues_drain,
    quota_is_respected,
    retries_follow_policy,
    retries_start_at_reset,
    retry_counts_are_respected,
)
from retrysim.trace import Attempt, TaskHistory, Trace, Waste

crm = API("https://crm.acme.io", limit="100 per minute", per="authorization", answer={"ok": True})
celery_sim = retrysim.fixture(app="proj", fakes=[Twitter(), crm], seed=7)


def nothing_runs_at_night(trace: Trace, /) -> Judgement:
    """One's own invariant is a function."""
    attempts = [(task, attempt) for task in trace.tasks.values() for attempt in task.attempts]
    late = [task for task, attempt in attempts if attempt.started_at.hour < 6]
    problems = tuple(Problem(text=f"{task.label} ran at night", task_id=task.task_id) for task in late)
    return Judgement(judged=len(attempts), of="attempt", problems=problems)


def uses(app: Any) -> None:
    """What a test does."""
    conf = {"task_acks_late": True, "worker_prefetch_multiplier": 1}
    with Simulation(seed=7, start="2015-08-03T12:00:00Z", limits=Limits(events=1_000_000), conf=conf) as sim:
        assert_type(sim.serve(crm, at="https://gateway.acme.io/crm"), API)
        assert_type(sim.serve(Twitter()), Twitter)
        sim.allow("localhost:5432")
        sim.start_worker(app, concurrency=4)
        result = app.send_task("typed.task")
        sim.run()
        sim.run_for("15 minutes")
        sim.run(until=datetime(2015, 8, 3, 13, tzinfo=UTC))
        _looks(sim, str(result.id))
        _checks(sim)


def _looks(sim: Simulation, task_id: str) -> None:
    assert_type(sim.states, Counter[str])
    assert_type(sim.elapsed, timedelta)
    assert_type(sim.now, datetime)
    task = sim.task(task_id)
    assert_type(task, TaskHistory)
    assert_type(task.settled_at, datetime | None)
    assert_type(task.attempts, list[Attempt])
    assert task.timeline == "SUCCESS"
    assert_type(sim.tasks(name="task", state="SUCCESS"), list[TaskHistory])
    assert_type(sim.queue("celery").depth, int)
    assert_type(sim.waste, list[Waste])
    [message] = sim.published(task="typed.task", count=1)
    assert_type(message.eta, datetime | None)


def _checks(sim: Simulation) -> None:
    mine: Invariant = every_task_settles & no_task_fails(but="typed.other") & queues_drain
    sim.check(mine, nothing_runs_at_night)
    with suppress(Violation):  # they have nothing to judge here
        sim.check(
            quota_is_respected(fake="twitter"),
            retries_start_at_reset(task=["typed.task"]),
            retries_follow_policy(countdown="2s"),
            retry_counts_are_respected(at_most=3),
        )
    with suppress(InputError):
        sim.task("nobody")


def is_wrong(sim: Simulation) -> None:
    """Never run: each line is an error for both checkers."""
    quota_is_respected(fakes="twitter")  # type: ignore  # no such argument
    retry_counts_are_respected(at_most="3")  # type: ignore  # a number
    sim.start_worker("proj", concurrency="4")  # type: ignore  # a number
    sim.run_for(None)  # type: ignore  # a duration
