"""Stands in for ``celery.platforms.signals``: each simulated process has its own table of signal handlers.

Celery's own handlers (``celery.apps.worker``: warm, cold and soft shutdown) are installed in it, as the program
``celery worker`` does, and replace one another in it. A signal is delivered by running its handler on the stack of the
worker's main process.
"""

from __future__ import annotations

import logging
import signal
from typing import Any

import celery.apps.worker as program
from celery.platforms import Signals

from retrysim.undo import UndoStack

logger = logging.getLogger("celery.worker")


class SignalTable(Signals):  # type: ignore[misc]
    """Handlers by signal, and nothing of the real process."""

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}

    def __getitem__(self, name: str | int) -> Any:
        return self._handlers.get(self.signum(name), self.default)

    def __setitem__(self, name: str | int, handler: Any) -> None:
        self._handlers[self.signum(name)] = handler

    def deliver(self, name: str) -> None:
        """Run the handler of a signal; one without a handler does nothing here."""
        handler = self[name]
        if callable(handler) and handler not in (self.default, self.ignored):
            handler(signal.Signals[name], None)


def install_handlers(controller: Any) -> None:
    """What the program ``celery worker`` installs when it starts; the table is that of the current process."""
    program.install_worker_term_handler(controller)
    program.install_worker_term_hard_handler(controller)
    program.install_worker_int_handler(controller)


def log_what_handlers_say(undo: UndoStack) -> None:
    """A real worker writes to its terminal that it shuts down; here that goes where its log goes."""
    undo.set_attribute(program, "safe_say", lambda text, *_: logger.warning("%s", text.strip()))
