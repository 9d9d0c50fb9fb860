"""What an embedded worker's thread, and each of its pool processes, has for itself of what Celery keeps in modules.

A worker of ``celery.contrib.testing`` runs in a thread of the test's own process, and shares with it what a process
has: ``celery.worker.state``, kombu's pools, the default app. Its own are what Celery keeps in thread-locals (as every
thread's), the event loop, and the flags that stop it: two workers of one process would really stop together, by
chance. A child of prefork is another process: it has its own default app, too, and knows that a ``get()`` would block
it (``celery.concurrency.prefork.process_initializer``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kombu.asynchronous.hub
import kombu.common
from celery import _state
from celery.worker import state

from retrysim.kernel import SHARED, Environment, Host, OwnState, Role, Variable

_APP = "app of an embedded worker"


class EmbeddedState(OwnState):
    """The names that such hosts have for themselves."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._add(_state, "default_app", lambda host: _app_of(host) if host.role is Role.CHILD else SHARED)
        # The queue for rpc:// results is named after it and the numbers of process and thread, which all share here.
        self._add(kombu.common, "_node_id", _nothing)
        self._add(_state, "_task_join_will_block", lambda host: True if host.role is Role.CHILD else SHARED)
        self.event_loop = self._add(kombu.asynchronous.hub, "_current_loop", _nothing)
        self.flags = [self._add(state, name, _nothing) for name in ("should_stop", "should_terminate")]

    def begin(self, host: Host, app: Any) -> None:
        """A worker for this app begins."""
        host.own[_APP] = app

    def _add(self, owner: Any, name: str, fresh: Callable[[Host], Any]) -> Variable:
        return self.add(lambda: getattr(owner, name, None), lambda value: setattr(owner, name, value), fresh)


def _app_of(host: Host) -> Any:
    """The app that a worker, or the worker of a pool's process, was started for."""
    return host.own[_APP] if _APP in host.own or host.parent is None else _app_of(host.parent)


def _nothing(_host: Host) -> None:
    return None
