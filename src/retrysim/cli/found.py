"""What can be found out about a project: its app, the task to begin with, its arguments, and whom it calls."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from retrysim.cli.apps_here import app_here, naming_apps_here
from retrysim.errors import AppError, InputError
from retrysim.nearest import task_meant
from retrysim.project import project_around
from retrysim.trace import is_named

_URL = re.compile(r"https?://([a-zA-Z0-9.-]+\.[a-zA-Z]{2,})")
_VARIABLE = re.compile(r"set (\w+) before the app is imported")
#: The package that a project imports -> the fake that answers it.
_CLIENTS = {
    "twitter": "twitter", "tweepy": "twitter", "github": "github", "stripe": "stripe", "slack_sdk": "slack",
    "shopify": "shopify", "openai": "openai", "anthropic": "anthropic", "discord": "discord", "praw": "reddit",
    "spotipy": "spotify", "boto3": "aws",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A task to write a scenario for. ``fakes`` are options by name, ``env`` what the app needs to be imported.

    ``queues`` are those that a worker has to be told, ``default_queues`` those that it consumes untold. ``files`` is
    ``"scratch"`` where it may change no real file. ``function`` is the task's name in its module, empty for one that is
    made inside of a function; ``instance`` is the app's name in the app's module, empty where it has none.
    """

    app: str
    task: str
    module: str
    function: str
    kwargs: Mapping[str, Any]
    fakes: Mapping[str, Mapping[str, str]]
    instance: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    default_queues: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    database: bool = False
    redis: bool = False
    files: str = "real"

    @property
    def short(self) -> str:
        """The task's name, as a file's name."""
        return re.sub(r"\W+", "_", self.task.rpartition(".")[2])


def look_around(folder: Path, app_name: str | None, task: str | None) -> Found:
    """The app (found in the folder, unless named) and its task (the first that retries, unless named)."""
    name, others = (app_name, []) if app_name else app_here(folder, "retrysim new --app proj.celery:app")
    env: dict[str, str] = {}
    with naming_apps_here(folder, name):
        app = _import(name, env)
    try:
        chosen = _choose(app, name, task)
    except InputError as error:
        hint = f"; there is {' and '.join(map(repr, others))}, too: name it with --app" if others else ""
        raise InputError(f"{error}{hint}") from None
    function = inspect.unwrap(getattr(chosen, "_orig_run", chosen.run))
    module = sys.modules[chosen.__module__]
    return Found(
        app=name,
        task=chosen.name,
        module=chosen.__module__,
        function=_name_in(module, chosen),
        instance=_name_of_app(name, app),
        kwargs=dict(_arguments(function, bound=_is_bound(chosen))),
        fakes=_fakes(inspect.getsource(module) if getattr(module, "__file__", None) else ""),
        env=env,
        default_queues=tuple(_queues(app)),
    )


def _name_in(module: ModuleType, task: Any) -> str:
    """The name by which a task can be imported from its module; empty where there is none."""

    def is_the_task(value: Any) -> bool:
        try:
            return isinstance(value, Task) and value.name == task.name
        except Exception:  # a proxy of the project, to something that is not there yet
            return False

    from celery import Task

    return next((name for name, value in list(vars(module).items()) if is_the_task(value)), "")


def _name_of_app(name: str, app: Any) -> str:
    """The name by which the app can be imported from the module that ``celery -A`` takes; empty where there is none."""
    module = sys.modules.get(name.partition(":")[0])
    return next((own for own, value in list(vars(module).items()) if value is app), "") if module else ""


def _import(name: str, env: dict[str, str]) -> Any:
    """The app; a variable that it misses is given a value, and noted in ``env``."""
    from retrysim.celery.imports import import_app

    project = project_around(Path.cwd())
    os.environ.update(project.env)
    while True:
        try:
            return import_app(name, {**project.env, **env}, project.of_simulation.get("allow", ()))
        except AppError as error:
            missing = _VARIABLE.search(str(error))
            if missing is None or missing[1] in env:
                raise
            env[missing[1]] = "redis://localhost:6379/0" if missing[1].endswith(("URL", "BROKER")) else "fake"
            os.environ[missing[1]] = env[missing[1]]


def _choose(app: Any, name: str, wanted: str | None) -> Any:
    own = {task.name: task for task in app.tasks.values() if not task.name.startswith("celery.")}
    if not own:
        raise InputError(f"the app {name!r} has no task of its own")
    if wanted is None:
        retrying = [task for task in own.values() if _retries(task)]
        return (retrying or list(own.values()))[0]
    fitting = [task for task_name, task in sorted(own.items()) if is_named(task_name, wanted)]
    if not fitting:
        raise InputError(f"the app {name!r} has no task {wanted!r}{task_meant(wanted, own)}")
    return fitting[0]


def _retries(task: Any) -> bool:
    try:
        return bool(getattr(task, "autoretry_for", ())) or ".retry(" in inspect.getsource(task.run)
    except (OSError, TypeError):
        return False


def _is_bound(task: Any) -> bool:
    """Whether the body's first parameter is the task itself (``bind=True``)."""
    return inspect.ismethod(getattr(task, "_orig_run", task.run))


def _arguments(function: Any, *, bound: bool) -> Iterator[tuple[str, Any]]:
    """A value for each argument that has to be given."""
    parameters = list(inspect.signature(function).parameters.values())
    for parameter in parameters[1:] if bound and parameters and parameters[0].name == "self" else parameters:
        required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if required:
            yield parameter.name, _value(parameter)


def _value(parameter: inspect.Parameter) -> Any:
    """A value of the parameter's type, as far as its annotation or its name tells."""
    kind = re.match(r"\w*", inspect.formatannotation(parameter.annotation))
    for name, value in (("dict", {}), ("list", []), ("bool", True), ("float", 1.5), ("int", 1)):
        if kind and kind[0] == name:
            return value
    is_text = (kind and kind[0] == "str") or re.search(r"name|token|url|text|mail|key", parameter.name)
    return f"a-{parameter.name}" if is_text else 1  # no space: it may go into a URL


def _queues(app: Any) -> Iterator[str]:
    """The queues that ``celery worker`` consumes without ``-Q``."""
    queues = app.conf.task_queues or [app.conf.task_default_queue]
    yield from (str(getattr(queue, "name", queue)) for queue in queues)


def fake_of(url: str) -> tuple[str, dict[str, str]]:
    """The name and the options of a fake that serves an address: a vendor's, or one of one's own."""
    host = urlsplit(url).netloc
    if (vendor := _vendors().get(host)) is not None:
        return vendor, {}
    own = re.sub(r"\W+", "_", host.removeprefix("www."))
    return own if own[0].isalpha() else f"api_{own}", {"url": url, "limit": "5 per minute"}


def _vendors() -> dict[str, str]:
    from retrysim.fakes.catalogue import fake_names, make_fake

    return {host: name for name in fake_names() for host in make_fake(name).hosts}


def _fakes(source: str) -> dict[str, dict[str, str]]:
    """The fakes of the hosts that a module names, and of the clients that it imports."""
    fakes: dict[str, dict[str, str]] = {}
    for client, name in _CLIENTS.items():
        if re.search(rf"^\s*(import|from) {client}\b", source, re.MULTILINE):
            fakes[name] = {}
    return fakes | dict(fake_of(f"https://{host}") for host in dict.fromkeys(_URL.findall(source)))
