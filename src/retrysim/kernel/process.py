"""A process: one greenlet that runs until it waits, and what it waits for."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING

from greenlet import greenlet

if TYPE_CHECKING:
    from retrysim.kernel.condition import Condition
    from retrysim.kernel.schedule import Event


class Wait:
    """One suspension: ended by a notification or by its timeout, whichever comes first."""

    __slots__ = ("_resume", "condition", "notified", "timeout")

    def __init__(self, condition: Condition, resume: Callable[[], None]) -> None:
        self.condition = condition
        self.notified = False
        self.timeout: Event | None = None
        self._resume = resume

    def wake(self) -> None:
        """Somebody notified the condition."""
        self.notified = True
        if self.timeout is not None:
            self.timeout.cancel()
        self._resume()

    def cancel(self) -> None:
        """Nobody waits any more."""
        self.condition.leave(self)
        if self.timeout is not None:
            self.timeout.cancel()

    def expire(self) -> None:
        """The timeout has passed."""
        self.condition.leave(self)
        self._resume()


class Process:
    """A named greenlet of the simulation.

    ``service`` says that it may wait for work for ever (a consumer, a pool slot, a timer): it is no deadlock when
    nothing comes. ``host`` is what it runs on, a simulated machine or OS process, if anybody wants to know.
    """

    __slots__ = ("error", "greenlet", "host", "name", "raising", "service", "wait")

    def __init__(self, function: Callable[[], None], *, name: str, service: bool, host: object = None) -> None:
        self.name = name
        self.service = service
        self.host = host
        self.wait: Wait | None = None
        self.error: BaseException | None = None
        #: what its wait is to end with, instead of returning
        self.raising: BaseException | None = None
        self.greenlet = greenlet(lambda: self._run(function))

    def __repr__(self) -> str:
        return f"<Process {self.name!r}>"

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            self.error = error

    def abandon(self) -> None:
        """Make sure that no line of this process ever runs again, ``finally`` blocks included.

        A suspended greenlet runs its ``finally`` blocks when it is collected, also at interpreter exit. One reference
        that nobody gives back (some 7 KiB) keeps it from ever being collected.
        """
        if self.greenlet:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.greenlet))
        if self.wait is not None:
            self.wait.cancel()
        self.wait = None
