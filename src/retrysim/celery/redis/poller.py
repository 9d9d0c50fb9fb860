"""Stands in for ``kombu.utils.eventio.poll`` under a worker without a hub (gevent): no poll each second while idle."""

from __future__ import annotations

from typing import Any

from celery.worker import state as worker_state

from retrysim.celery.redis.server import RedisServer
from retrysim.clock import grid_ns
from retrysim.network import Events, Poller


class ConsumerPoller(Poller):
    """The poller of ``synloop``, under gevent: idle, it waits until something comes, or a flag was set.

    A real one comes back from an empty BRPOP each second, and goes on. One whose prefetch is full waits for the
    timeout, since only who comes back without an answer looks for what can be restored.
    """

    def __init__(self, server: RedisServer, parked: list[ConsumerPoller]) -> None:
        super().__init__(server.route.network)
        self._server = server
        self._parked = parked

    def poll(self, timeout: float | None) -> Events:
        if timeout == 0 or self._readable() or not self._is_idle_consumer():
            return super().poll(timeout)
        timeout_ns = None if timeout is None or self._will_be_answered() else grid_ns(timeout)
        self.parked = True
        self._parked.append(self)
        try:
            notified = self._environment.wait(self._awake, timeout_ns=timeout_ns, daemon=True)
        finally:
            self._parked.remove(self)
            self.parked = False
        if notified and not self._readable():
            raise TimeoutError
        return self._readable()

    def _is_idle_consumer(self) -> bool:
        """Whether a loop of a worker asks; one that shuts down drains once more, with its timeout."""
        process = self._environment.current
        return process is not None and process.awaits_work and worker_state.should_stop is None

    def _will_be_answered(self) -> bool:
        """Whether a BRPOP is out, or all that is listened to are broadcasts."""
        sockets: list[Any] = [connection.session for connection in self._registered.values()]
        return all(s.is_subscriber for s in sockets) or any(self._server.is_blocked(s) for s in sockets)

    def nudge(self) -> None:
        self.wake()
