"""Plays what makes RabbitMQ deliver a message again: it stays unacknowledged for long, or its pool process dies.

Each trial runs with the task's own settings, in its own queue, on the simulated RabbitMQ. A worker that ends is
restarted, as its supervisor does.
"""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from retrysim.audit.stage import Places, replace_body, set_stage
from retrysim.audit.trial import Outcome, PlayedTrial, Trial, TrialKind
from retrysim.celery.hosting import prepare
from retrysim.celery.imports import import_audited
from retrysim.durations import DAY, SECOND
from retrysim.kernel import Limits
from retrysim.rabbitmq import RabbitMQ
from retrysim.simulation import Simulation
from retrysim.trace import TaskSent, TaskStarted, WorkerStopped
from retrysim.undo import UndoStack

#: What an app is played on, unless its project names a version.
RABBITMQS: Mapping[str, RabbitMQ] = {version: RabbitMQ(version=version) for version in ("3.13", "4.0", "4.3")}
#: How often a worker that ended is restarted.
_RESTARTS = 5
#: How often a body takes its whole time: twice would be enough to see that it runs again.
_REPEATS = 3
#: How often a pool process dies: more often than RabbitMQ's own delivery limit.
_CRASHES = 60
#: The longest wait, and the longest body, that are played to their end.
_LONGEST_NS = DAY
_LIMITS = Limits(virtual_ns=1_000 * DAY, attempts_per_task=10 * _CRASHES, connections=20)


def play_trials(app: str, servers: Mapping[str, RabbitMQ], wanted: Iterable[Trial]) -> list[PlayedTrial]:
    """The trials, on each of the servers. Those of one kind and length in one queue are played once."""
    found = import_audited(app)
    prepare(found)
    played: dict[tuple[str, Trial], Mapping[str, Outcome | str]] = {}
    answers = []
    for trial in wanted:
        with UndoStack() as undo:
            set_stage(undo, found, places=Places.KEPT)
            task = found.tasks[trial.task]
            queue = _queue(found, task)
            key = (queue.name, replace(trial, task=""))
            if key not in played:
                mine = {} if _is_answered(trial, queue) else servers
                played[key] = {name: _play(found, trial, queue.name, server) for name, server in mine.items()}
        answers.append(PlayedTrial(trial=trial, outcomes=played[key]))
    return answers


def _queue(app: Any, task: Any) -> Any:
    """The queue that the settings of the task and of the app name."""
    options = {"queue": task.queue} if getattr(task, "queue", None) else {}
    return app.amqp.router.route(options, task.name)["queue"]


def _is_answered(trial: Trial, queue: Any) -> bool:
    """Whether a message that the queue drops goes elsewhere, which may be declared where the app does not see it."""
    return trial.kind is TrialKind.CRASH and "x-dead-letter-exchange" in (queue.queue_arguments or {})


def _play(app: Any, trial: Trial, queue: str, server: RabbitMQ) -> Outcome | str:
    task = app.tasks[trial.task]
    with UndoStack() as undo:
        replace_body(undo, task, _body(task, trial), places=Places.KEPT)
        try:
            return _played(app, task, queue, server)
        except Exception as error:  # what RabbitMQ refuses, such as an argument of the queue, is raised as it is
            return str(error)


def _played(app: Any, task: Any, queue: str, server: RabbitMQ) -> Outcome:
    with warnings.catch_warnings(action="ignore"), Simulation(broker=server, limits=_LIMITS) as sim:
        result = task.apply_async()
        worker = sim.start_worker(app, queues=[queue])
        sim.run()
        for _ in range(_RESTARTS):
            if worker.stopped:
                worker.restart()
                sim.run()
        sim.leave_workers()
        return _outcome(sim, result.id, queue)


def _outcome(sim: Simulation, task_id: str, queue: str) -> Outcome:
    sent_ns = next(event.at_ns for event in sim.trace if isinstance(event, TaskSent))
    is_held = any(one.messages_ready or one.messages_unacknowledged for one in sim.broker.queues())
    return Outcome(
        queue=queue,
        starts_ns=tuple(event.at_ns - sent_ns for event in sim.trace if isinstance(event, TaskStarted)),
        ends_ns=tuple(event.at_ns - sent_ns for event in sim.trace if isinstance(event, WorkerStopped)),
        lost=None if is_held else sim.trace.lost().get(task_id),
    )


def _body(task: Any, trial: Trial) -> Callable[..., None]:
    tries = count(1)

    def wait(*_args: Any, **_kwargs: Any) -> None:
        if not task.request.retries:
            raise task.retry(countdown=min(trial.takes_ns, _LONGEST_NS) / SECOND, max_retries=1)

    def run_long(*_args: Any, **_kwargs: Any) -> None:
        if next(tries) <= _REPEATS:
            time.sleep(min(trial.takes_ns, _LONGEST_NS) / SECOND)

    def crash(*_args: Any, **_kwargs: Any) -> None:
        if next(tries) <= _CRASHES:
            os.kill(os.getpid(), signal.SIGKILL)

    return {TrialKind.WAIT: wait, TrialKind.BODY: run_long, TrialKind.CRASH: crash}[trial.kind]
