"""A real ``celery worker``: ``python -m retrysim.live.worker ORDER`` starts one that tells the stage what happens.

The app, Celery and its pool are unmodified. Added are receivers of Celery's signals, which pool processes inherit when
they are forked, and the wire, which leads the tasks' HTTP clients to the fakes of the stage.
"""

from __future__ import annotations

import sys

from retrysim.live.order import WorkerOrder, load
from retrysim.live.rate import live_faster

if __name__ == "__main__":
    ORDER = load(WorkerOrder, sys.argv[1])
    live_faster(ORDER.scale)

import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from billiard.util import set_pdeathsig
from celery import signals
from celery._state import get_current_task
from celery.app.utils import find_app

from retrysim.celery.conf_layer import lay_over
from retrysim.celery.hosting import overlay_config
from retrysim.celery.recorder import Recorder
from retrysim.clock import WallClock
from retrysim.durations import SECOND
from retrysim.errors import UnservedHost
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.live.line import Called, Happened, Returned, StageClient, Trouble
from retrysim.live.surroundings import ProcessSurroundings
from retrysim.project import source_path
from retrysim.scenarios import OTHERS
from retrysim.trace import Event, WorkerReady, is_named
from retrysim.trace.secrets import Redactor
from retrysim.undo import UndoStack
from retrysim.wire import Interceptor


def main(order: WorkerOrder) -> None:
    """Be the worker until it is stopped."""
    set_pdeathsig(signal.SIGKILL)  # no worker outlives the stage
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):  # a shell's background command ignores some
        signal.signal(number, signal.SIG_DFL)
    line = StageClient(order.address, bytes.fromhex(order.key))
    sys.path += source_path(Path.cwd())
    app = find_app(order.app)
    undo = UndoStack()  # never unwound: the process ends with it
    lay_over(undo, app, order.conf)
    overlay_config(undo, app, order.settings)
    _listen(undo, order, line)
    app.worker_main(["worker", "--hostname", f"celery@{order.name}", *order.arguments])


def _listen(undo: UndoStack, order: WorkerOrder, line: StageClient) -> None:
    surroundings = ProcessSurroundings(lambda text: line.ask(Trouble(text=text)))
    recorder = Recorder(surroundings, Teller(line), Redactor())
    recorder.connect(undo)
    for told, receiver in (
        (signals.worker_ready, partial(_on_ready, order, line)),
        (signals.task_success, partial(_on_success, line)),
        (signals.task_prerun, partial(_take_time, order.costs)),
    ):
        told.connect(receiver, weak=False)
    Interceptor(partial(_find, order, line, recorder)).install()


class Teller:
    """Takes the events of a recorder and tells them; the stage numbers the attempts, which begin in many processes."""

    def __init__(self, line: StageClient) -> None:
        self._line = line

    def append(self, event: Event) -> int | None:
        number: int | None = self._line.ask(Happened(event=event, pid=os.getpid()))
        return number


# -- receivers ---------------------------------------------------------------------------------------------------------


def _on_ready(order: WorkerOrder, line: StageClient, sender: Any, **_: Any) -> None:
    ready = WorkerReady(at_ns=WallClock().now_ns(), worker=order.name, concurrency=sender.controller.concurrency)
    line.ask(Happened(event=ready, pid=os.getpid()))


def _on_success(line: StageClient, sender: Any, result: Any = None, **_: Any) -> None:
    try:
        line.ask(Returned(task_id=sender.request.id, result=result))
    except (TypeError, AttributeError):  # it cannot be pickled; Celery did serialise it, in its own way
        line.ask(Returned(task_id=sender.request.id, result=repr(result)))


def _take_time(costs: dict[str, int], task: Any = None, **_: Any) -> None:
    by_name = [cost for name, cost in costs.items() if is_named(task.name, name)]
    cost_ns = by_name[0] if by_name else costs.get(OTHERS, 0)
    if cost_ns:
        time.sleep(cost_ns / SECOND)


# -- the wire ----------------------------------------------------------------------------------------------------------


def _find(order: WorkerOrder, line: StageClient, recorder: Recorder, scheme: str, host: str, port: int) -> Any:
    names = (f"{host}:{port}", host)
    served = next((name for name in names if name in order.hosts), None)
    if served is not None:
        return partial(_call, line, recorder, served)
    if not order.strict or get_current_task() is None or not set(order.allow).isdisjoint(names):
        return None
    raise UnservedHost(
        f"a task called {scheme}://{host}:{port}, which no fake serves (served: {', '.join(order.hosts) or 'none'}). "
        f"Serve it: add it to the scenario's `fakes`; or let it be real: `allow: {host}:{port}`"
    )


def _call(line: StageClient, recorder: Recorder, host: str, request: Request) -> Response:
    task = get_current_task()
    task_id = None if task is None else task.request.id
    attempt = None if task is None else recorder.attempt_of(task)
    plain = replace(request)  # without what it has computed
    response: Response = line.ask(Called(host=host, request=plain, task_id=task_id, attempt=attempt))
    return response


if __name__ == "__main__":
    sys.argv[1:] = []
    main(ORDER)
