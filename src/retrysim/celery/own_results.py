"""Which result backends of an app's stay as they are, because they work by what a simulation has anyway.

``rpc://`` sends results by the app's broker, which is simulated: each is read once, by the process that sent the task.
``django-db`` and ``database`` are tables of a database, if that may be used (``retrysim.outside``) and has them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from celery.backends import rpc

from retrysim.celery.drainer import Drainer
from retrysim.celery.result_conditions import ConditionedBackend, ResultConditions
from retrysim.kernel import Environment


def own_results(app: Any, environment: Environment, conditions: ResultConditions) -> Callable[[], Any] | None:
    """Makes the app's own backend, one for each simulated process; ``None`` where something has to stand in for it."""
    backend = app.backend
    if not keeps_its_results(backend):
        return None
    own: dict[str, Any] = {"conditions": conditions, "environment": environment}
    base: type = _TableResults
    if isinstance(backend, rpc.RPCBackend):
        base, own["ResultConsumer"] = _RPCResults, type("ResultConsumer", (_ResultConsumer,), dict(own))
    return partial(type(type(backend).__name__, (base, type(backend)), own), app=app, url=backend.url)


def keeps_its_results(backend: Any) -> bool:
    """Whether a backend stays as it is."""
    if isinstance(backend, rpc.RPCBackend):
        return True
    reach = next((_TABLES[kind.__module__] for kind in type(backend).__mro__ if kind.__module__ in _TABLES), None)
    if reach is None:
        return False
    try:
        return reach(backend)
    except Exception:  # whatever a driver, Django or the barrier say of a database that may not be used
        return False


def _has_tables_in_django(backend: Any) -> bool:
    from django.db import connections, router

    model = backend.TaskModel
    return model._meta.db_table in connections[router.db_for_write(model)].introspection.table_names()


def _has_tables_in_sqlalchemy(backend: Any) -> bool:
    if backend.url.partition("://")[2] in ("", "/", "/:memory:"):
        return False  # each process would have a database of its own
    backend.ResultSession().close()
    return True


#: The module of a backend -> whether its tables can be reached; it may make those that are missing.
_TABLES: dict[str, Callable[[Any], bool]] = {
    "django_celery_results.backends.database": _has_tables_in_django,
    "celery.backends.database": _has_tables_in_sqlalchemy,
}


class _TableResults(ConditionedBackend):
    """A mix-in: Celery's own way to look for a result each half a second, which ends when none can come."""

    environment: Environment

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_interval: Callable[[], None] | None = None,
    ) -> Any:
        environment = self.environment

        def look_around() -> None:
            if on_interval is not None:
                on_interval()
            if timeout is None and environment.outside_of_all() and environment.is_idle:
                raise environment.in_vain(
                    f"the test waits for the result of task {task_id}, but nothing is left that could bring it"
                )

        return super().wait_for(  # type: ignore[misc]
            task_id, timeout=timeout, interval=interval, no_ack=no_ack, on_interval=look_around
        )


class _RPCResults(rpc.RPCBackend):  # type: ignore[misc]
    """Celery's own; sending a result meets the ``conditions``."""

    conditions: ResultConditions

    def store_result(self, *args: Any, **kwargs: Any) -> Any:
        self.conditions.before_storing()
        return super().store_result(*args, **kwargs)


class _ResultConsumer(rpc.ResultConsumer):  # type: ignore[misc]
    """Celery's own, which looks around once a second."""

    environment: Environment

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.drainer = Drainer(self)

    def drain_for_ever(self, timeout: float | None = None) -> None:
        """As ``drain_events``, which will be repeated until something comes; ``Deadlock`` if that can never be."""
        with suppress(TimeoutError):
            self.drain_events(timeout=0)
            return
        if self.environment.outside_of_all() and self.environment.is_idle:
            raise self.environment.in_vain("the test waits for a result, but nothing is left that could bring it")
        self.drain_events(timeout=timeout)
