"""A process: one greenlet that runs until it waits, and what it waits for."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from greenlet import greenlet

from retrysim.kernel.disposal import free_stacks

if TYPE_CHECKING:
    from retrysim.kernel.condition import Condition
    from retrysim.kernel.host import Host
    from retrysim.kernel.schedule import ScheduledCall
    from retrysim.kernel.thread import Thread


class Wait:
    """One suspension: ended by a notification or by its timeout, whichever comes first."""

    __slots__ = ("_on_over", "_suggested", "condition", "has_nothing_to_do", "notified", "over", "timeout")

    def __init__(self, condition: Condition, on_over: Callable[[Wait], None]) -> None:
        self.condition = condition
        self.notified = self.over = False
        self.timeout: ScheduledCall | None = None
        #: says of one that was woken by a suggestion whether it would wait again at once
        self.has_nothing_to_do: Callable[[], bool] | None = None
        self._suggested: int | None = None
        self._on_over = on_over

    def wake(self) -> None:
        """Somebody notified the condition."""
        self.notified = self.over = True
        if self.timeout is not None:
            self.timeout.cancel()
        self._on_over(self)

    def suggest(self) -> None:
        """There may be something to do."""
        self._suggested = None if self.has_nothing_to_do is None else self.condition.notified
        self.wake()

    def goes_on(self) -> bool:
        """Go on waiting if all that was suggested is nothing to do; returns whether it does."""
        if self._suggested != self.condition.notified or self.has_nothing_to_do is None or not self.has_nothing_to_do():
            return False
        self.notified = self.over = False
        self._suggested = None
        self.condition.enter(self)
        return True

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
    """A named greenlet of the simulation: one thread of a host.

    ``service`` says that it may wait for work forever (a consumer, a pool slot, a timer): it is no deadlock when
    nothing comes. ``owner`` is the process that it is one more thread of.
    """

    __slots__ = (
        "_served", "anywhere", "daemon", "elsewhere", "error", "gone", "greenlet", "host", "in_task", "is_greenlet",
        "name", "on_main_thread", "owner", "read_for_ns", "ready", "service", "serving", "signals", "stands_in",
        "thread", "time_limit_s", "wait",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[[], None],
        *,
        name: str,
        service: bool,
        host: Host,
        thread: Thread,
        owner: Process | None,
        daemon: bool,
    ) -> None:
        self.name = name
        self.service = self._served = service or daemon
        self.daemon = daemon
        self.host = host
        self.thread = thread
        self.owner = owner
        #: whether it is a loop of a worker, which from here on waits for work forever
        self.serving = False
        #: whether it runs the body of a task
        self.in_task = False
        #: whether it runs on that one's main thread, to which signals come
        self.on_main_thread = owner is None
        #: whether it is a greenlet of gevent, which signals come to, and which ``threading`` takes for a thread
        self.is_greenlet = False
        self.wait: Wait | None = None
        self.error: BaseException | None = None
        #: whether it was abandoned
        self.gone = False
        #: of what stands for a process of the machine: says where that one stands, if it waits
        self.elsewhere: Callable[[], list[str] | None] | None = None
        #: whether it stands in the handler of a signal from outside, and so at any line, instead of in a wait
        self.anywhere = False
        #: whether it is in the queue of those that go on
        self.ready = False
        #: how much time has passed since it last waited, because it read the clock again and again
        self.read_for_ns = 0
        #: the first limit (seconds) that somebody else has set to what it does now
        self.time_limit_s: float | None = None
        #: handlers that are to run on its stack before it goes on
        self.signals: deque[Callable[[], None]] = deque()
        self.greenlet = greenlet(lambda: self._run(function))
        #: the greenlet that it last waited in: its own, or one that it has started (SQLAlchemy's asyncio has such)
        self.stands_in = self.greenlet

    def __repr__(self) -> str:
        return f"<Process {self.name!r}>"

    @property
    def awaits_work(self) -> bool:
        """Whether it waits for work now: a worker of the pool ``solo`` may run a task instead."""
        return self.serving and not self.in_task

    def serve(self) -> None:
        """From here on it waits for work. Before, a worker waits for what it asks its neighbours."""
        self.serving = self.service = True

    def begin_task(self) -> None:
        """From here on it runs the body of a task: one that waits forever is a deadlock."""
        self._served, self.service, self.in_task = self.service, False, True

    def end_task(self) -> None:
        """It is what it was before."""
        self.service, self.in_task = self._served, False

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

    @property
    def stacks(self) -> list[greenlet]:
        """The greenlets in which it stands, the innermost first; none before it has begun and when it has ended."""
        return [one for one in dict.fromkeys((self.stands_in, self.greenlet)) if one]

    def abandon(self) -> None:
        """Make sure that no line of this process ever runs again, ``finally`` blocks included.

        A suspended greenlet runs its ``finally`` blocks when it is collected, also at interpreter exit: it is kept by
        one reference more, until ``disposal`` has freed its stack.
        """
        if self.gone:
            return
        self.gone = True
        for one in self.stacks:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
        if self.wait is not None:
            self.wait.cancel()
        self.wait = None


def free(processes: Iterable[Process]) -> None:
    """Give back what abandoned processes hold, without running a line of them.

    Who stands in the handler of a signal stays: it may be in a callback of a weak reference or a ``__del__``, out of
    which no exception comes, and would go on.
    """
    killed = [one for process in processes if not process.anywhere for one in process.stacks]
    stay = free_stacks(killed)
    for one in killed:
        if one not in stay:
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(one))
