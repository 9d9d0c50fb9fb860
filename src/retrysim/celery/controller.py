"""Stands in for ``celery.apps.worker.Worker``: what the program does around Celery's ``WorkController``.

Its signals are sent, in its order, but it sets up no logging itself.
"""

from __future__ import annotations

from typing import Any

from celery import signals
from celery.app.defaults import DEFAULTS
from celery.worker import WorkController

from retrysim.celery.log_setup import send_logging_signals
from retrysim.undo import UndoStack

#: The settings that the program writes into the configuration, as they are, unless its command line has another value.
_WRITTEN = tuple(DEFAULTS.keys() & {"worker_disable_prefetch"})


class Controller(WorkController):  # type: ignore[misc]
    """Celery's own controller; sends what only the program sends."""

    def on_before_init(self, **options: Any) -> None:
        signals.celeryd_init.send(sender=self.hostname, instance=self, conf=self.app.conf, options=options)

    def on_init_blueprint(self) -> None:
        send_logging_signals(self.pool_cls.environment, self)

    def on_start(self) -> None:
        super().on_start()
        signals.celeryd_after_setup.send(sender=self.hostname, instance=self, conf=self.app.conf)


def write_settings(undo: UndoStack, app: Any) -> None:
    """Let ``inspect conf`` list what the program has written into the configuration, until ``undo`` is unwound."""
    for name in _WRITTEN:
        undo.set_item(app.conf.changes, name, app.conf[name])
