"""One bug of the bank: a function that makes its tasks, called once for the app with the bug and once for its twin."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import requests
from celery import Celery

API = "https://api.example"
HEAD = """\
name: {name}
app: {module}:{name}{twin}
broker: redis
fakes: {{api: {{url: "https://api.example", answer: {{ok: true}}, limit: 1000 per minute, per: all}}}}
limits: {{attempts_per_task: 60}}
"""
#: Every bug by its name, in the order of the modules.
BANK: dict[str, Bug] = {}


@dataclass(frozen=True, kw_only=True)
class Bug:
    """What is known of a bug: which harm comes to which task, and what it needs."""

    name: str
    module: str
    about: str
    task: str
    harm: str
    body: str  # the scenario after its head
    needs: str  # "one fault", "two faults", "an order"
    kinds: tuple[str, ...] = ()  # the kinds that are tried; none: all but the loss of all data
    options: dict[str, Any] = field(default_factory=dict)

    def scenario(self, *, fixed: bool) -> str:
        twin = "_fixed" if fixed else ""
        return HEAD.format(name=self.name, module=self.module, twin=twin) + self.body


def bug(*, harm: str, task: str, body: str, needs: str = "one fault", kinds: str = "") -> Callable[..., Celery]:
    """Makes the two apps of a bug: ``NAME`` and ``NAME_fixed`` of the module."""

    def make(tasks: Callable[[Celery, bool], None]) -> Celery:
        module = sys.modules[tasks.__module__]
        name = tasks.__name__
        BANK[name] = Bug(
            name=name,
            module=tasks.__module__,
            about=(tasks.__doc__ or "").strip(),
            task=task,
            harm=harm,
            body=body,
            needs=needs,
            kinds=tuple(kinds.split()),
        )
        apps = []
        for fixed in (False, True):
            app = Celery(f"{name}{'_fixed' * fixed}", broker="redis://localhost:6379/0", set_as_current=False)
            app.conf.broker_transport_options = {"visibility_timeout": 120}
            app.task = partial(app.task, shared=False)  # else each app of the process gets the tasks of all
            tasks(app, fixed)
            apps.append(app)
        setattr(module, f"{name}_fixed", apps[1])
        return apps[0]

    return make


def call(method: str, path: str, *, timeout: float | None = 5) -> Any:
    """A call that raises for an error."""
    response = requests.request(method, API + path, timeout=timeout)
    response.raise_for_status()
    return response


#: What a fixed task retries, and how.
RETRIES = {
    "autoretry_for": (requests.RequestException,),
    "max_retries": 20,
    "retry_backoff": False,
    "default_retry_delay": 20,
}
#: A task that is delivered again when its worker or its pool process is gone.
LATE = {"acks_late": True, "reject_on_worker_lost": True}
