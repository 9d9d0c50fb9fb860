"""What an embedded worker's thread, and each of its pool processes, has for itself of what Celery keeps in modules.

A worker of ``celery.contrib.testing`` runs in a thread of the test's own process, and shares with it what a process
has: ``celery.worker.state``, kombu's pools, the default app. Its own are the current app and the result backend
(thread-locals), the event loop, and the flags that stop it: two workers of one process would stop together in reality,
by chance. A child of prefork is another process: it has its own default app, too, and knows that a ``get()`` would
block it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import kombu.asynchronous.hub
from celery import _state
from celery.worker import state

#: Who owns a name, and the name.
Place = tuple[Callable[[], Any], str]

CURRENT_APP: Place = (lambda: _state._tls, "current_app")
DEFAULT_APP: Place = (lambda: _state, "default_app")
JOIN_WILL_BLOCK: Place = (lambda: _state, "_task_join_will_block")
EVENT_LOOP: Place = (lambda: kombu.asynchronous.hub, "_current_loop")
SHOULD_STOP: Place = (lambda: state, "should_stop")
SHOULD_TERMINATE: Place = (lambda: state, "should_terminate")


class Host:
    """A thread or a process, by the values that it has for itself."""

    def __init__(self, own: dict[Place, Any]) -> None:
        self._own = own

    def exchange(self) -> None:
        """Put its values in place and keep what was there: the way in, and the way out."""
        for (owner_of, name), value in self._own.items():
            owner = owner_of()
            self._own[owner_of, name] = getattr(owner, name, None)
            setattr(owner, name, value)

    def take_over(self, *places: Place) -> None:
        """Take the values that stand in these places now."""
        for owner_of, name in places:
            self._own[owner_of, name] = getattr(owner_of(), name, None)


def thread(app: Any) -> Host:
    """The thread of a worker, or one of the pool ``threads``, as it begins: with a result backend of its own, too."""
    own: dict[Place, Any] = dict.fromkeys((CURRENT_APP, EVENT_LOOP, SHOULD_STOP, SHOULD_TERMINATE))
    return Host(own | {(lambda: app, "_local"): threading.local()})


def pool_process(app: Any) -> Host:
    """A child of prefork, as ``celery.concurrency.prefork.process_initializer`` leaves it."""
    own: dict[Place, Any] = dict.fromkeys((EVENT_LOOP, SHOULD_STOP, SHOULD_TERMINATE))
    own |= {CURRENT_APP: app, DEFAULT_APP: app, JOIN_WILL_BLOCK: True}
    return Host(own | {(lambda: app, "_local"): threading.local()})


class Hosts:
    """Who has control: the test (``None``) or one of the hosts."""

    def __init__(self) -> None:
        self._current: Host | None = None

    def enter(self, host: Any) -> None:
        """From here on the names in Celery's modules have this host's values."""
        if host is self._current:
            return
        for changed in (self._current, host):
            if changed is not None:
                changed.exchange()
        self._current = host
