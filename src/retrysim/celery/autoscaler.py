"""Stands in for the thread of Celery's autoscaler, which a worker without an event loop has: a process looks around."""

from __future__ import annotations

from typing import Any

from celery.utils.imports import symbol_by_name
from celery.worker.autoscale import Autoscaler

from retrysim.kernel import Environment


def autoscaler_class(app: Any, environment: Environment) -> Any:
    """The app's own class of autoscaler, on the simulation."""
    own = symbol_by_name(app.conf.worker_autoscaler)
    return type(own.__name__, (_OnTheKernel, own), {"environment": environment})


class _OnTheKernel(Autoscaler):  # type: ignore[misc]
    """Its second between two looks keeps no run alive."""

    environment: Environment

    def start(self) -> None:
        self._running = True
        self.environment.spawn(self._look_around, name="autoscaler", daemon=True)

    def _look_around(self) -> None:
        while self._running:
            self.body()

    def stop(self) -> None:
        self._running = False
