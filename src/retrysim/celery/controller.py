"""Stands in for ``celery.apps.worker.Worker``: what the program does around Celery's ``WorkController``.

Its signals are sent, in its order. It sets up no logging: that of the test stays as it is, so ``setup_logging`` and
``after_setup_logger`` are not sent.
"""

from __future__ import annotations

from typing import Any

from celery import signals
from celery.worker import WorkController


class Controller(WorkController):  # type: ignore[misc]
    """Celery's own controller; sends what only the program sends."""

    def on_before_init(self, **options: Any) -> None:
        signals.celeryd_init.send(sender=self.hostname, instance=self, conf=self.app.conf, options=options)

    def on_start(self) -> None:
        super().on_start()
        signals.celeryd_after_setup.send(sender=self.hostname, instance=self, conf=self.app.conf)
