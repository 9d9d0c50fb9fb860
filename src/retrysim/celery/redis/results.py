"""Celery's own Redis result backend on the simulated server; a ``get()`` waits in virtual time, and knows deadlocks."""

from __future__ import annotations

from typing import Any

from celery.backends import redis as celery_redis

from retrysim.celery.drainer import Drainer
from retrysim.celery.redis.connection import Connection
from retrysim.celery.result_conditions import ConditionedBackend, ResultConditions
from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment


class _ResultConsumer(celery_redis.ResultConsumer):  # type: ignore[misc]
    """Celery's listener to the channels of results; it waits on the simulation instead of on a socket."""

    environment: Environment

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.drainer = Drainer(self)
        self._awaited = "a result"
        self._nothing = Condition(self._awaited)

    def cancel_for(self, task_id: str) -> None:
        """Listen no more for a result; one that is collected after the simulation has nobody to tell."""
        if not self.environment.over:
            super().cancel_for(task_id)

    def _wait_for_pending(self, result: Any, **options: Any) -> Any:
        self._awaited = _name(result)
        return super()._wait_for_pending(result, **options)

    def drain_events(self, timeout: float | None = None) -> None:
        """Read one message, or wait ``timeout`` seconds for it."""
        self._drain(timeout, for_ever=False)

    def drain_for_ever(self, timeout: float | None = None) -> None:
        """As ``drain_events``, which will be repeated until something comes; ``Deadlock`` if that can never be."""
        self._drain(timeout, for_ever=True)

    def _drain(self, timeout: float | None, *, for_ever: bool) -> None:
        if not self._readable():
            self._wait(timeout, for_ever)
        if self._readable():
            super().drain_events(timeout=0)

    def _socket(self) -> Any:
        pubsub = self._pubsub
        sock = getattr(pubsub.connection, "_sock", None) if pubsub is not None and pubsub.subscribed else None
        return None if sock is None else sock.connection

    def _readable(self) -> bool:
        sock = self._socket()
        return sock is not None and sock.readable

    def _wait(self, timeout: float | None, for_ever: bool) -> None:
        environment = self.environment
        sock = self._socket()
        arrived = self._nothing if sock is None else sock.arrived
        arrived.name = self._awaited
        if for_ever and timeout is not None and environment.outside_of_all():
            self._drive(environment, grid_ns(timeout))
        else:
            timeout_ns = None if timeout is None else grid_ns(timeout)
            environment.wait(arrived, timeout_ns=timeout_ns, daemon=for_ever)

    def _drive(self, environment: Environment, timeout_ns: int) -> None:
        """The test waits: let the simulation run, but not on and on when nothing can come any more."""
        passed: list[bool] = []
        end = environment.schedule(environment.clock.ns + timeout_ns, lambda: passed.append(True), daemon=True)
        environment.run(until=lambda: bool(passed) or self._readable())
        end.cancel()
        if not passed and not self._readable():
            raise environment.in_vain(f"the test waits for {self._awaited}, but nothing is left that could bring it")


def result_consumer_class(environment: Environment) -> type[_ResultConsumer]:
    """The listener of one simulation: Celery's backends make the instance."""
    return type("ResultConsumer", (_ResultConsumer,), {"environment": environment})


class RedisResults(ConditionedBackend, celery_redis.RedisBackend):  # type: ignore[misc]
    """Celery's Redis backend of one simulated process."""

    def __init__(
        self,
        app: Any,
        environment: Environment,
        connection_class: type[Connection],
        database: int,
        conditions: ResultConditions,
    ) -> None:
        self.ResultConsumer = result_consumer_class(environment)
        self.conditions = conditions
        super().__init__(app=app, url=f"redis://simulation:6379/{database}")
        self.connparams["connection_class"] = connection_class


def database_of(backend: Any) -> int:
    """The number of the database that a Redis (or Sentinel) backend of Celery uses."""
    parameters = backend.connparams
    return int(parameters["db"] if "db" in parameters else parameters["hosts"][0]["db"])


def _name(result: Any) -> str:
    if hasattr(result, "results"):
        return f"the results of {len(result.results)} tasks"
    return f"the result of task {result.id}"
