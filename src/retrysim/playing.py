"""What a scenario says of playing it, whichever arm does: the app, its tasks, the fakes, what is submitted and when."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from heapq import merge
from importlib import import_module
from pathlib import Path
from typing import Any

from retrysim.celery.conf_settings import mistakes
from retrysim.celery.imports import import_app
from retrysim.clock import GRID_NS, to_datetime
from retrysim.errors import AppError, FakeError, InputError, RetrysimError
from retrysim.fakes.catalogue import make_fake
from retrysim.fakes.fake import Fake
from retrysim.nearest import task_meant
from retrysim.outside import nothing_real
from retrysim.project import Project
from retrysim.scenarios import PointInTime, ScenarioItem, Submission
from retrysim.scenarios.error_text import together
from retrysim.trace import is_named
from retrysim.undo import UndoStack


def trace_file(item: ScenarioItem, folder: Path) -> Path:
    """Where the trace of an item is kept."""
    stem = Path(item.file).name.split(".")[0]
    return folder / (re.sub(r"[^\w.-]+", "-", f"{stem}-{item.id}") + ".ndjson")


@contextmanager
def environment_variables(item: ScenarioItem) -> Iterator[None]:
    """Sets the scenario's own environment variables, and puts back what was there."""
    with UndoStack() as undo:
        for name, value in item.scenario.spec.env.items():
            undo.set_item(os.environ, name, value)
        if "TZ" in item.scenario.spec.env:
            time.tzset()
        yield
    time.tzset()


# -- the app and the fakes ---------------------------------------------------------------------------------------------


def find_app(item: ScenarioItem, *, allowed: Iterable[str] | None = None) -> Any:
    """The scenario's app, imported. Raises ``ScenarioError`` at the place that names it.

    ``allowed`` are the databases, brokers and Redis servers that its import may reach; ``None``: any.
    """
    try:
        return import_app(item.scenario.spec.app, item.scenario.spec.env, allowed)
    except AppError as error:
        raise item.scenario.error(("app",), str(error)) from error.__cause__


def find_setup(item: ScenarioItem, *, allowed: Iterable[str] = ()) -> Callable[[], object]:
    """The function that ``setup`` names, imported. Raises ``ScenarioError`` where there is none."""
    name = item.scenario.spec.setup
    if name is None:
        return lambda: None
    module, _, function = name.partition(":")
    try:
        with nothing_real(allowed):
            found: Callable[[], object] = getattr(import_module(module), function)
    except Exception as error:
        raise item.scenario.error(("setup",), f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    return found


def find_fake(item: ScenarioItem, name: str) -> tuple[Fake, str | None]:
    """A fake by its name in the catalogue, and the address it is served at if that is not its own (``at``)."""
    options = dict(item.scenario.spec.fakes[name])
    at = options.pop("at", None)
    try:
        if at is not None and not isinstance(at, str):
            raise FakeError(f'at is {at!r}: expected a URL such as "https://llm.acme.io/v1"')
        return make_fake(name, options, seed=item.seed), at
    except InputError as error:
        raise item.scenario.error(("fakes", name), str(error)) from error


# -- submitting --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One submission at its instant, in nanoseconds since the epoch."""

    at_ns: int
    index: int
    submission: Submission
    kwargs: dict[str, Any]


def due_submissions(item: ScenarioItem) -> Iterator[Due]:
    """Everything that is submitted in the order of time; what is due at one instant, in the order of the file."""
    spec = item.scenario.spec
    each = (_due(index, submission, spec.start_ns) for index, submission in enumerate(spec.submit))
    return merge(*each, key=lambda due: due.at_ns)


def _due(index: int, submission: Submission, start_ns: int) -> Iterator[Due]:
    for at_ns, kwargs in submission.calls(start_ns):
        yield Due(at_ns=at_ns, index=index, submission=submission, kwargs=kwargs)


def submit(item: ScenarioItem, app: Any, due: Due, *, ahead_ns: int = 0) -> str:
    """Submit it now and give the task's id; ``ahead_ns`` is how far the app's clock is ahead of the scenario's."""
    task = find_task(item, app, due.index)
    submission = due.submission
    options = _options(submission, ahead_ns)
    if item.celery != "worker":  # what the body raises may come out of apply_async
        return str(task.apply_async(submission.args, due.kwargs, **options).id)
    try:
        return str(task.apply_async(submission.args, due.kwargs, **options).id)
    except RetrysimError:
        raise
    except Exception as error:
        inside = ("options",) if submission.options else ()
        text = f"the task cannot be sent: {type(error).__name__}: {error}"
        raise item.scenario.error(("submit", due.index, *inside), text) from error


def check_conf(item: ScenarioItem, app: Any) -> None:
    """Raises ``ScenarioError`` for settings that the app's Celery does not have, or that a run decides itself."""
    document, errors = item.scenario.document, []
    for key, text in mistakes(app, item.scenario.spec.conf):
        if ("conf", key) not in document.key_positions:
            raise Project.error(f"conf.{key}", text)
        errors.append(document.error(("conf", key), text, of_key=True))
    if errors:
        raise together(errors)


def check_tasks(item: ScenarioItem, app: Any) -> None:
    """Raises ``ScenarioError`` for a task that the app has not, or has several of, or that takes other arguments."""
    for index, submission in enumerate(item.scenario.spec.submit):
        task = find_task(item, app, index)
        _check_arguments(item, task, index, [*submission.kwargs, *submission.for_each])


def _check_arguments(item: ScenarioItem, task: Any, index: int, names: Iterable[str]) -> None:
    """What ``apply_async`` checks, before anything runs."""
    takes = getattr(task, "__header__", None) if task.typing else None
    if takes is None:
        return
    try:
        takes(*item.scenario.spec.submit[index].args, **dict.fromkeys(names))
    except TypeError as error:
        raise item.scenario.error(("submit", index), str(error)) from None


def find_task(item: ScenarioItem, app: Any, index: int) -> Any:
    """The task that a submission names, or the one whose name ends so."""
    name = item.scenario.spec.submit[index].task
    if name in app.tasks:
        return app.tasks[name]
    ending = [task for task in app.tasks if is_named(task, name)]
    # Celery shares @app.task among all apps of a process: those of the app's own module come first.
    module = item.scenario.spec.app.partition(":")[0]
    ending = [task for task in ending if task.startswith(f"{module}.")] or ending
    if len(ending) == 1:
        return app.tasks[ending[0]]
    own = [task for task in app.tasks if not task.startswith("celery.")]
    path = ("submit", index, "task")
    if ending:
        raise item.scenario.error(path, f"{name!r} is not clear: {' or '.join(sorted(ending))}?")
    raise item.scenario.error(path, f"the app {item.scenario.spec.app!r} has no task {name!r}{task_meant(name, own)}")


def _options(submission: Submission, ahead_ns: int) -> dict[str, Any]:
    options: dict[str, Any] = dict(submission.options)
    if submission.countdown_ns is not None:
        options["countdown"] = submission.countdown_ns / 1e9
    if submission.eta_ns is not None:
        options["eta"] = to_datetime(submission.eta_ns + ahead_ns)
    if submission.expires is not None:
        options["expires"] = _expires(submission.expires, ahead_ns)
    if submission.queue is not None:
        options["queue"] = submission.queue
    return options


def _expires(moment: PointInTime, ahead_ns: int) -> Any:
    if moment.is_instant:
        return to_datetime(moment.ns + ahead_ns)
    return timedelta(microseconds=moment.ns // GRID_NS).total_seconds()
