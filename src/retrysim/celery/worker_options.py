"""The options of Celery's worker and its boot steps, read off their signatures."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import cache
from typing import Any

from celery.worker import WorkController
from celery.worker.consumer import Consumer
from kombu.utils.imports import symbol_by_name

from retrysim.errors import InputError
from retrysim.nearest import did_you_mean

#: Parameters that are no options of anybody's.
_OTHERS = {"self", "w", "c", "parent", "kwargs", "hostname", "pool_cls", "autoscaler_cls", "ready_callback"}
#: What ``sim.start_worker`` names itself.
_OURS = {"concurrency", "isolated", "name", "pool"}


def check_options(app: Any, given: Iterable[str]) -> None:
    """Raise ``InputError`` for an option that no part of Celery's worker knows, and which it would take silently.

    Boot steps of the app's own may know others, so an app that has some may be given anything.
    """
    if any(app.steps.values()):
        return
    for name in given:
        if name not in _known():
            raise InputError(
                f"sim.start_worker has no option {name!r}{did_you_mean(name, _known() | _OURS)}\n"
                "  Options are those of celery.worker.WorkController: queues, prefetch_multiplier, task_events, ..."
            )


@cache
def _known() -> set[str]:
    steps = (*WorkController.Blueprint.default_steps, *Consumer.Blueprint.default_steps)
    functions: list[Any] = [WorkController.setup_defaults, WorkController.setup_instance]
    functions += [symbol_by_name(step).__init__ for step in steps]
    return {name for function in functions for name in inspect.signature(function).parameters} - _OTHERS
