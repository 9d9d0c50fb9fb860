"""Lets work take time: what a suite measures of a task (``0 < duration``) is never nothing, as on a real worker."""

from __future__ import annotations

from typing import Any

from celery import signals
from celery.app import trace

from retrysim.durations import MILLISECOND
from retrysim.kernel import Environment
from retrysim.undo import UndoStack

#: How long a body takes at least.
_WORK_NS = MILLISECOND


def let_work_take_time(undo: UndoStack, environment: Environment) -> None:
    """Between ``task_prerun`` and the body of a task time passes, until ``undo`` is unwound."""
    real = trace.send_prerun

    def send(*args: Any, **named: Any) -> Any:
        sent = real(*args, **named)
        if environment.owns_thread and environment.current is not None:
            environment.sleep(_WORK_NS)
        return sent

    undo.set_attribute(trace, "send_prerun", send)
    signals.task_prerun.connect(_receive, weak=False)  # with no receiver Celery does not send it
    undo.then(lambda: signals.task_prerun.disconnect(_receive))


def _receive(**_named: Any) -> None:
    pass
