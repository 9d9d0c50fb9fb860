"""A process: one greenlet that runs until it waits, and what it waits for."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from greenlet import greenlet

if TYPE_CHECKING:
    from retrysim.kernel.condition import Condition
    from retrysim.kernel.schedule import Event
    from retrysim.kernel.thread import Thread


class Wait:
    """One suspension: ended by a notification or by its timeout, whichever comes first."""

    __slots__ = ("_on_over", "condition", "notified", "over", "timeout")

    def __init__(self, condition: Condition, on_over: Callable[[Wait], None]) -> None:
        self.condition = condition
        self.notified = self.over = False
        self.timeout: Event | None = None
        self._on_over = on_over

    def wake(self) -> None:
        """Somebody notified the condition."""
        self.notified = self.over = True
        if self.timeout is not None:
            self.timeout.cancel()
        self._on_over(self)

    def cancel(self) -> None:
        """Nobody waits any more; what is over stays so."""
        if self.over:
            return
        self.over = True
        self.condition.leave(self)
        if self.timeout is not None:
            self.timeout.cancel()

    def expire(self) -> None:
        """The timeout has passed."""
        self.over = True
        self.condition.leave(self)
        self._on_over(self)


class Process:
    """A named greenlet of the simulation.

    ``service`` says that it may wait for work for ever (a consumer, a pool slot, a timer): it is no deadlock when
    nothing comes. ``host`` is what it runs on, a simulated machine or OS process, if anybody wants to know; ``owner``
    the process that it is one more thread of.
    """

    __slots__ = (
        "daemon", "error", "gone", "greenlet", "host", "name", "on_exit", "owner", "ready", "service", "signals",
        "thread", "wait",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[[], None],
        *,
        name: str,
        service: bool,
        host: object,
        thread: Thread,
        owner: Process | None,
        daemon: bool,
    ) -> None:
        self.name = name
        self.service = service or daemon
        self.daemon = daemon
        self.host = host
        self.thread = thread
        self.owner = owner
        #: what ends it when it exits with a code, for a process that may; called by the driver
        self.on_exit: Callable[[int], None] | None = None
        self.wait: Wait | None = None
        self.error: BaseException | None = None
        #: whether it was abandoned
        self.gone = False
        #: whether it is in the queue of those that go on
        self.ready = False
        #: handlers that are to run on its stack before it goes on
        self.signals: deque[Callable[[], None]] = deque()
        self.greenlet = greenlet(lambda: self._run(function))

    def __repr__(self) -> str:
        return f"<Process {self.name!r}>"

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            self.error = error

    def handle_signals(self) -> None:
        """Run the handlers; what it waits for, it does not wait for meanwhile."""
        before, self.wait = self.wait, None
        while self.signals:
            self.signals.popleft()()
        self.wait = before

    @property
    def due(self) -> bool:
        """Whether it waits, and the clock alone will end that."""
        return self.wait is not None and self.wait.timeout is not None

    def abandon(self) -> None:
        """Make sure that no line of this process ever runs again, ``finally`` blocks included.

        A suspended greenlet runs its ``finally`` blocks when it is collected, also at interpreter exit. One reference
        that nobody gives back (some 7 KiB) keeps it from ever being collected.
        """
        self.gone = True
        if self.greenlet:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.greenlet))
        if self.wait is not None:
            self.wait.cancel()
        self.wait = None
