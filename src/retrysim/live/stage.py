"""Plays one item: ``python -m retrysim.live.stage ORDER``, the process that all others of a live run belong to.

It serves the fakes, starts the workers, submits the tasks, strikes with the faults, and sees when nothing more will
happen. It lives by the same clock as the workers. What it says of its progress goes to standard output, a JSON object a
line; the outcome of the run is a file in its folder.
"""

from __future__ import annotations

import sys

from retrysim.live.order import CAME, StageOrder, load
from retrysim.live.rate import live_faster

if __name__ == "__main__":
    ORDER = load(StageOrder, sys.argv[1])
    live_faster(ORDER.scale)

import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from billiard.util import set_pdeathsig

from retrysim import scenarios
from retrysim.celery.conf_layer import lay_over
from retrysim.celery.hosting import overlay_config
from retrysim.celery.recorder import Recorder
from retrysim.clock import WallClock
from retrysim.durations import SECOND, format_duration
from retrysim.errors import RetrysimError
from retrysim.fakes.idempotency import Idempotency
from retrysim.live.agenda import Agenda
from retrysim.live.collector import Collector, shifted
from retrysim.live.crew import WorkerProcess, wait_until_ready
from retrysim.live.faults import FaultPlayer
from retrysim.live.namespace import Namespace, make_place
from retrysim.live.order import WorkerOrder
from retrysim.live.quiet import Quiet, awaited
from retrysim.live.surroundings import ProcessSurroundings
from retrysim.playing import (
    Due,
    check_conf,
    check_tasks,
    due_submissions,
    environment_variables,
    find_app,
    find_fake,
    submit,
)
from retrysim.project import project_around, source_path
from retrysim.scenarios import ScenarioItem, WorkerSpec
from retrysim.trace import Event, RunEnded, TaskSent, Trace, WorkerReady, dump_ndjson
from retrysim.trace.secrets import Redactor
from retrysim.undo import UndoStack

#: How long a worker may take to come up, in real seconds: on a busy machine the import of an app alone takes some.
_PATIENCE = 60.0
#: How often the stage looks whether something is left to happen, in real seconds.
_LOOK = 0.05
_LOOKS_A_SAYING = 10
#: As in a simulation, and in celery.contrib.testing: what workers tell each other is off.
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")
_BEATING_THE_CONFIG = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
)


def main(order: StageOrder) -> None:
    signal.signal(signal.SIGTERM, _leave)
    set_pdeathsig(signal.SIGTERM)  # when the player is killed, the stage still tidies up
    if os.getppid() != order.player:
        return
    sys.path += source_path(Path.cwd())
    try:
        item = _item(order)
        with environment_variables(item), Stage(order, item).prepared() as stage:
            stage.play()
    except RetrysimError as error:
        _say(error=type(error).__name__, text=str(error))


def _leave(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # tidying up is not interrupted by a second one
    raise SystemExit(1)


def _item(order: StageOrder) -> ScenarioItem:
    scenario = scenarios.load(Path(order.file), project=project_around(Path.cwd()))
    items = scenarios.items_of(scenario, seed=order.seed)
    return next(item for item in items if item.id == order.item)


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - the player reads it


class Stage:
    """One run: ``with stage.prepared() as stage: stage.play()``."""

    def __init__(self, order: StageOrder, item: ScenarioItem) -> None:
        self.order = order
        self.item = item
        self.collector = Collector(order.folder, item.scenario.spec.limits.attempts_per_task or 1_000)
        self.agenda = Agenda()
        self.crew: list[WorkerProcess] = []
        self.submitted: list[str] = []
        self._origin_ns = 0
        self.settings: dict[str, Any] = {}
        self.place: Namespace
        self.faults: FaultPlayer
        self.app: Any = None

    @contextmanager
    def prepared(self) -> Iterator[Stage]:
        """Everything is in place inside, and the workers are ready; nothing of it is left after."""
        for variable in _BEATING_THE_CONFIG:
            os.environ.pop(variable, None)
        self.app = find_app(self.item)
        check_tasks(self.item, self.app)
        check_conf(self.item, self.app)
        for name in self.item.scenario.spec.fakes:
            self.collector.serve(*find_fake(self.item, name))
        for one in self.item.scenario.spec.idempotency:
            self.collector.effects.rules.append(Idempotency(**one.model_dump()))
        with UndoStack() as undo:
            self.faults = FaultPlayer(self)
            undo.callback(self.faults.close)
            self._use_a_place(undo)
            self.collector.open()
            Recorder(ProcessSurroundings(self._report), self.collector, Redactor()).connect(undo)
            undo.callback(self._end_crew)
            self._start_workers()
            yield self

    def _use_a_place(self, undo: UndoStack) -> None:
        """Let the app, here where it submits, use a part of the broker that is the run's own."""
        url = self.faults.broker_url(self.order.url)
        self.place = make_place(url, self.order.results_url, secrets.token_hex(6))
        undo.callback(lambda: self.place.close(self.queues))
        self.place.open()
        lay_over(undo, self.app, self.item.scenario.spec.conf)
        self.settings = self.place.settings(self.app)
        overlay_config(undo, self.app, self.settings)
        self.app._backend_cache, self.app._local = None, threading.local()

    # -- the workers ---------------------------------------------------------------------------------------------------

    def _start_workers(self) -> None:
        for spec in self.item.workers:
            worker = WorkerProcess(self._worker_order(spec), self.order.folder, self.collector.append)
            self.crew.append(worker)
            worker.start()
        _say(waiting=f"for {len(self.crew)} worker(s) to come up")
        wait_until_ready(self.crew, self._ready, _PATIENCE * self.order.scale)

    def _worker_order(self, worker: WorkerSpec) -> WorkerOrder:
        spec = self.item.scenario.spec
        arguments = [f"--concurrency={worker.concurrency}", "--loglevel=INFO", *_QUIET]
        if worker.queues:
            arguments.append(f"--queues={','.join(worker.queues)}")
        if worker.pool:
            arguments.append(f"--pool={worker.pool}")
        way = self.faults.way_to(self.settings["broker_url"], worker.name)
        urls = {key: way for key, url in self.settings.items() if url == self.settings["broker_url"] != way}
        return WorkerOrder(
            app=spec.app,
            name=worker.name,
            arguments=arguments,
            conf=spec.conf,
            settings={**self.settings, **urls},
            scale=self.order.scale,
            address=self.collector.address,
            key=self.collector.key.hex(),
            hosts=list(self.collector.hosts),
            allow=list(spec.allow),
            strict=spec.strict,
            costs=dict(spec.cost_ns),
        )

    def _ready(self) -> set[str]:
        return {event.worker for event in tuple(self.collector.events) if isinstance(event, WorkerReady)}

    def _living(self) -> set[str]:
        return {worker.name for worker in self.crew if worker.runs}

    def _end_crew(self) -> None:
        for worker in self.crew:
            worker.abandon()

    @property
    def queues(self) -> set[str]:
        """The queues that may hold a message of the run."""
        sent = {event.queue for event in tuple(self.collector.events) if isinstance(event, TaskSent)}
        return sent | set(self.app.amqp.queues)

    @property
    def _consumed(self) -> set[str]:
        return {queue for worker in self.item.workers for queue in worker.queues or self.app.amqp.queues}

    # -- the run -------------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Let the scenario happen, and write down what did."""
        start_ns = self.item.scenario.spec.start_ns
        self._origin_ns = -(-WallClock().now_ns() // SECOND) * SECOND  # whole seconds, as most scenarios start
        time.sleep((self._origin_ns - WallClock().now_ns()) / SECOND)
        for due in due_submissions(self.item):
            self.agenda.add(self._origin_ns + due.at_ns - start_ns, partial(self._submit, due))
        self.faults.start(self._origin_ns)
        idle = self._until_the_end()
        self._write(idle=idle, end_ns=WallClock().now_ns())

    def _submit(self, due: Due) -> None:
        ahead_ns = self._origin_ns - self.item.scenario.spec.start_ns
        self.submitted.append(submit(self.item, self.app, due, ahead_ns=ahead_ns))

    def _until_the_end(self) -> bool:
        """Wait until nothing is left to happen, or the run ends by what the scenario says: was it idle?"""
        quiet = Quiet(self.place, self._living, lambda: self._consumed, self.collector.running)
        look_ns = int(_LOOK * self.order.scale * SECOND)
        looks = 0
        while not self.collector.trouble:
            now_ns = WallClock().now_ns()
            self.agenda.do_due(now_ns)
            for worker in self.crew:
                worker.note_end()
            if self._is_over(now_ns):
                return False
            events = list(self.collector.events)
            if not self.agenda and quiet.look(events, self.queues):
                return True
            looks += 1
            if looks % _LOOKS_A_SAYING == 0:
                self._say_what_is_awaited(events, now_ns)
            next_ns = min(self.agenda.next_ns or now_ns + look_ns, now_ns + look_ns)
            time.sleep(max(0, next_ns - WallClock().now_ns()) / SECOND)
        return False

    def _is_over(self, now_ns: int) -> bool:
        spec = self.item.scenario.spec
        passed_ns = now_ns - self._origin_ns
        if spec.limits.virtual_time_ns is not None and passed_ns > spec.limits.virtual_time_ns:
            limit = format_duration(spec.limits.virtual_time_ns)
            self.collector.trouble.append(("Runaway", f"the run has lasted {limit} and is not idle"))
        return spec.until_ns is not None and passed_ns >= spec.until_ns - spec.start_ns

    def _say_what_is_awaited(self, events: list[Event], now_ns: int) -> None:
        passed = format_duration((now_ns - self._origin_ns) // SECOND * SECOND)
        _say(waiting=f"at {passed}: {awaited(events, self.collector.running(), now_ns)}")

    # -- what came of it -----------------------------------------------------------------------------------------------

    def _write(self, *, idle: bool, end_ns: int) -> None:
        by_ns = self.item.scenario.spec.start_ns - self._origin_ns
        start_ns = self.item.scenario.spec.start_ns
        happened = sorted((shifted(event, by_ns) for event in self.collector.events), key=lambda event: event.at_ns)
        if idle:  # it took some looks to be sure of that
            end_ns = max((event.at_ns for event in happened), default=start_ns) - by_ns
        trace = Trace(seed=self.item.seed, start_ns=start_ns)
        for event in happened:
            trace.append(replace(event, at_ns=max(event.at_ns, start_ns)))
        holding = tuple(self._holding(trace))
        trace.append(RunEnded(at_ns=max(end_ns + by_ns, start_ns), idle=idle, holding=holding))
        came = {
            "trace": dump_ndjson(trace),
            "end_ns": max(end_ns + by_ns, start_ns),
            "submitted": self.submitted,
            "results": self.collector.results,
            "trouble": self.collector.trouble,
            "notes": self._notes(),
            "faults": [problem.text for finding in self.faults.findings() for problem in finding.problems],
        }
        Path(self.order.folder, CAME).write_text(json.dumps(came, default=repr))

    def _holding(self, trace: Trace) -> Iterator[tuple[str, str]]:
        waiting = self.place.waiting(self.queues)
        for task_id, task in trace.tasks.items():
            queue = next((event.queue for event in reversed(task.events) if isinstance(event, TaskSent)), "")
            if not task.settled and queue in waiting:
                nobody = "" if queue in self._consumed and self._living() else ", which nobody consumes"
                yield task_id, f"it waits in queue {queue!r}{nobody}"

    def _notes(self) -> list[str]:
        """What a person must know of workers that ended unasked."""
        ended = [worker for worker in self.crew if worker.died]
        return [f"{worker.name} ended unasked. The end of its log:\n{worker.last_lines()}\n" for worker in ended]

    def _report(self, text: str) -> None:
        self.collector.trouble.append(("LiveError", text))


if __name__ == "__main__":
    main(ORDER)
