"""Plays retry policies: Celery's own retry code, on a simulated worker, against an API that never opens."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from retrysim.audit.chain import Chain, Coverage
from retrysim.audit.stage import replace_body, set_stage
from retrysim.celery.hosting import prepare
from retrysim.durations import DAY
from retrysim.errors import SimulationError
from retrysim.kernel import Limits
from retrysim.simulation import Simulation
from retrysim.trace import TaskRetried, TaskSent, TaskStarted, Trace
from retrysim.trace.events import TaskEvent
from retrysim.undo import UndoStack

#: Where the audit stops a policy that has no end, and one whose end is far.
ENDLESS_RETRIES = 60
MOST_RETRIES = 1_500
#: How many copies show whether a policy draws random numbers.
_PILOTS = 2
_LIMITS = Limits(virtual_ns=1_000_000 * DAY, attempts_per_task=10 * MOST_RETRIES, events=10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What happens in the place of a task's body: ``refuse`` raises what lets Celery retry, or retries itself.

    Two policies with the same ``fingerprint`` are one: what decides about their retries is the same.
    """

    task: str
    key: str
    fingerprint: Hashable
    refuse: Callable[[Any], None]
    most_retries: int | None

    @property
    def stop_at(self) -> int:
        return ENDLESS_RETRIES if self.most_retries is None else MOST_RETRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """How many attempts may be spent on each policy, and from which seed."""

    seed: int = 0
    attempts: int = 1_000
    most_copies: int = 400

    def copies(self, retries: int) -> int:
        return min(self.most_copies, max(10, self.attempts // (retries + 1)))


def play(app: Any, policies: Iterable[Policy], playing: Playing) -> dict[str, Coverage | str]:
    """What each policy covers, by its key; a text says why one could not be played."""
    played: dict[str, Coverage | str] = {}
    waiting = list(policies)
    while waiting:
        batch = _one_for_each_task(waiting)
        waiting = [policy for policy in waiting if policy not in batch]
        waiting += _play_batch(app, batch, playing, played)
    return played


def _one_for_each_task(policies: list[Policy]) -> list[Policy]:
    """A simulation holds one body for each task."""
    return list({policy.task: policy for policy in reversed(policies)}.values())[::-1]


def _play_batch(app: Any, batch: list[Policy], playing: Playing, played: dict[str, Coverage | str]) -> list[Policy]:
    """Play the policies one after the other in one simulation; what is left after one that fails is returned."""
    with UndoStack() as undo:
        prepare(app)
        set_stage(undo, app)
        for policy in batch:
            task = app.tasks[policy.task]
            replace_body(undo, task, _body(task, policy))
        with Simulation(seed=playing.seed, broker="memory", limits=_LIMITS) as sim:
            sim.start_worker(app)
            for index, policy in enumerate(batch):
                try:
                    played[policy.key] = _play_one(sim, app.tasks[policy.task], policy, playing)
                except SimulationError as error:
                    played[policy.key] = str(error)
                    return batch[index + 1 :]
    return []


def _body(task: Any, policy: Policy) -> Callable[..., None]:
    def body(*_args: Any, **_kwargs: Any) -> None:
        if task.request.retries < policy.stop_at:
            policy.refuse(task)

    return body


def _play_one(sim: Simulation, task: Any, policy: Policy, playing: Playing) -> Coverage:
    """A few copies; more of them, if the policy draws random numbers.

    Each task draws from a stream of its own: its figures are the same alone and among others.
    """
    random.seed(f"{playing.seed}/{policy.fingerprint}")
    before = random.getstate()
    chains = _copies(sim, task, _PILOTS)
    if random.getstate() == before and len(set(chains)) == 1:
        return Coverage(chains=chains[:1])
    longest = max(len(chain.attempts_ns) for chain in chains) - 1
    return Coverage(chains=chains + _copies(sim, task, playing.copies(longest) - _PILOTS))


def _copies(sim: Simulation, task: Any, number: int) -> tuple[Chain, ...]:
    mark = len(sim.trace)
    for _ in range(number):
        task.apply_async()
    sim.run()
    return tuple(_chains(sim.trace, mark))


def _chains(trace: Trace, mark: int) -> Iterable[Chain]:
    """The chains of the tasks that were sent after the mark, in that order."""
    for events in _by_task(trace, mark).values():
        sent_ns = next(event.at_ns for event in events if isinstance(event, TaskSent))
        attempts = tuple(event.at_ns - sent_ns for event in events if isinstance(event, TaskStarted))
        state = Trace(events=events).states.most_common(1)[0][0]
        was_stopped = state == "SUCCESS" and any(isinstance(event, TaskRetried) for event in events)
        yield Chain(attempts_ns=attempts, state="RETRY" if was_stopped else state, endless=was_stopped)


def _by_task(trace: Trace, mark: int) -> Mapping[str, list[TaskEvent]]:
    events: dict[str, list[TaskEvent]] = {}
    for event in islice(trace, mark, None):
        if isinstance(event, TaskEvent):
            events.setdefault(event.task_id, []).append(event)
    return events
