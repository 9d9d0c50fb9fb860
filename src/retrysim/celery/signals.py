"""The signals of a worker's processes: Celery's and billiard's own handlers, installed as they install them.

Which process a handler belongs to is known to the stand-ins of the module ``signal`` (``patches/signals.py``).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import celery.apps.worker as program
from billiard import common, pool
from celery import platforms
from celery.concurrency import prefork
from celery.platforms import EX_OK
from celery.worker import state

from retrysim.kernel import Environment, Host, Role
from retrysim.undo import UndoStack

logger = logging.getLogger("celery.worker")

#: Whether a billiard that was told to end says nothing of the job that it was at; before, it reported SystemExit.
_SAYS_NOTHING = hasattr(common, "terminate_handler_fired")


def install_handlers(controller: Any, reload: Callable[[], None]) -> None:
    """What the program ``celery worker`` installs when it starts without a terminal, in the process that calls.

    SIGHUP lets it stop, and ``reload`` afterwards: Celery replaces the process by a new one then.
    """

    def restart(*_: Any) -> None:
        program.safe_say("Restarting celery worker")
        reload()
        state.should_stop = EX_OK

    platforms.signals["SIGHUP"] = restart
    program.install_worker_term_handler(controller)
    program.install_worker_term_hard_handler(controller)
    program.install_worker_int_handler(controller)
    program.install_cry_handler()


def log_what_handlers_say(undo: UndoStack) -> None:
    """A real worker writes to its terminal that it shuts down; here that goes where its log goes."""
    undo.set_attribute(program, "safe_say", lambda text, *_: logger.warning("%s", text.strip()))


def child_of(environment: Environment, name: str, end: Callable[[int], None], pid: int) -> Host:
    """A pool's child, forked from the process that calls."""
    parent = environment.host
    child = Host(environment, name, role=Role.CHILD, end=end, parent=parent, pid=pid)
    parent.fork(child)
    return child


class ChildSignals:
    """The handlers of a pool's child, as ``billiard.pool.Worker.after_fork`` leaves them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._fired: int | None = None
        if host.is_a_thread_of_the_test:  # it has no signals, but for the one that the pool itself sends
            host.handlers[signal.SIGUSR1] = pool.soft_timeout_sighandler
            return
        platforms.signals.reset(*prefork.WORKER_SIGRESET)
        platforms.signals.ignore(*prefork.WORKER_SIGIGNORE)
        common.reset_signals(handler=self._shut_down)
        signal.signal(signal.SIGUSR1, pool.soft_timeout_sighandler)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _shut_down(self, number: int, _frame: FrameType | None) -> None:
        """``billiard.common._shutdown_cleanup``, which notes in a global of its process that it was here."""
        if self._fired is not None:
            os._exit(common.EX_SOFTWARE)
        signal.signal(number, signal.SIG_DFL)
        self._fired = number
        sys.exit(-(256 - number))

    @property
    def exit_code(self) -> int | None:
        """The exit code that it was given, once a signal has ended it."""
        return None if self._fired is None else -(256 - self._fired)

    def status(self, exit_code: int) -> int:
        """What its parent finds, which sends SIGTERM when a child says farewell: that is what ends it, if not handled.

        (``billiard.pool.ResultHandler.on_death``; the child waits a second for it.)
        """
        if self._fired is None:
            return exit_code
        return -self._fired if self._fired == common.TERM_SIGNAL else common.EX_SOFTWARE
