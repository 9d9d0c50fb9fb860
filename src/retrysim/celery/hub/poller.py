"""Stands in for the pollers of ``kombu.utils.eventio``: waits in virtual time until a simulated socket is readable.

What keeps a run alive. A worker's hub always comes back to its poller: to look at the connection, to refresh a
binding, to send the next BRPOP. None of that is a reason to go on, so the hub's waits are daemon waits. They are
foreground only while the hub has something to do later that nobody else will remind it of:

* a timer entry that fires once is pending: a task's ETA, a rate limit's next token (``call_repeatedly`` makes
  entries that do not count: heartbeats, sweeps, health checks);
* the broker holds an unacked message that no living worker has, and this hub's sweep will make it visible again.

An unacked message that a living worker has needs no such care: its ack is due when its task ends, which is an event of
its own. That the sweep delivers it a second time meanwhile is seen only as long as something else keeps the run alive.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from retrysim.celery.hub.timer import HubTimer
from retrysim.clock import grid_ns
from retrysim.kernel import Process, Regular
from retrysim.network import Events, Network, Poller


class HubPoller(Poller):
    """The poller of a worker's hub. ``until_next_ns`` and ``keeps_alive`` ask the hub; a call to it ends the wait.

    ``stands_for`` tells the instant for whose sake it keeps the run alive, if it is a later one.
    """

    def __init__(
        self,
        network: Network,
        *,
        has_work: Callable[[], bool],
        until_next_ns: Callable[[], int | None],
        keeps_alive: Callable[[], bool],
        stands_for: Callable[[], int | None] | None = None,
        timer: HubTimer | None = None,
    ) -> None:
        super().__init__(network)
        self._timer = timer
        self._has_work = has_work
        self._until_next_ns = until_next_ns
        self._keeps_alive = keeps_alive
        self._stands_for = stands_for
        self._nudged = False
        self._left_unread: dict[int, tuple[int, int]] = {}
        self._process: Process | None = None
        self._daemon = True
        #: whether a round that had nothing to do would do nothing again
        self.goes_by_what_it_sees: Callable[[], bool] = _always
        #: how active its host was when a round began that had nothing to do, or a wait after such a round
        self._idle_round: int | None = None
        self._idle: int | None = None

    def poll(self, timeout: float | None) -> Events:
        self._forget_what_was_read()
        self._environment.sleep(0)  # others run meanwhile, as on a machine with several processors
        if self._news() or self._nudged or self._has_work():
            self._nudged, self._idle_round = False, None
            return self._readable()
        # kombu fires ten timers and then polls for a second, whatever is due: its pool wakes a real hub before.
        waits = (None if timeout is None else grid_ns(timeout), self._until_next_ns())
        timeout_ns = min((ns for ns in waits if ns is not None), default=None)
        if timeout_ns is None or timeout_ns > 0:
            self._park(timeout_ns)
        self._nudged = False
        return self._readable()

    def _news(self) -> bool:
        """Whether something is readable that was not left unread in the last round.

        Before 5.7 kombu does not read the answer to a BRPOP while its prefetch is full: a real worker then polls in a
        circle, which takes no time here, so that nothing would ever change.
        """
        readable = {number: socket.state for number, socket in self._registered.items() if socket.readable}
        news, self._left_unread = readable != self._left_unread, readable
        return bool(readable) and news

    def _park(self, timeout_ns: int | None) -> None:
        process = self._process = self._environment.current
        starts = process is not None and not process.serving  # it asks its neighbours, and waits a second for answers
        # A round that had nothing to do has done nothing, unless somebody else ran on this host meanwhile.
        self._idle = None if self._idle_round is None or starts else self._idle_round + 1
        self._daemon = not starts and not self._keeps_alive()
        self.parked = True
        try:
            notified = self._environment.wait(
                self._awake,
                timeout_ns=timeout_ns,
                daemon=self._daemon,
                stands_for=None if starts else self._stands_for,
                beat=self if self._timer is not None and process is not None else None,
            )
        finally:
            self.parked = False
        self._idle_round = None
        if process is not None and not (notified or self._nudged or self._ready or self._has_work()):
            self._idle_round = process.host.top.activity if self._timers_are_idle() else None

    def _timers_are_idle(self) -> bool:
        """Whether the timers that are due would change nothing, and neither would the rest of the round."""
        return self._timer is not None and self._timer.leaves() is not None and self.goes_by_what_it_sees()

    # -- rounds that would change nothing ------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether a round now would change nothing but what timers leave: the last one did not, and nobody ran since.

        Whoever decides which of several processes goes first gets to decide about such rounds, too.
        """
        process = self._process
        return (
            self.parked
            and process is not None
            and process.host.top.activity == self._idle
            and not (self._nudged or self._left_unread or self._environment.choose)
            and self._daemon is not self._keeps_alive()
        )

    def pass_by(self) -> int | None:
        """Let the timers that are due pass, as if the hub had gone round."""
        if self._timer is None or not self.idle or not self._timer.pass_by():
            return None
        return self._environment.clock.ns + self._timer.until_next_poll_ns()

    def go_round(self) -> None:
        """As if the hub had gone round, woken for something that would change nothing."""
        assert self._process is not None
        assert self._timer is not None
        self._environment.wait_anew(self._process, self._timer.until_next_poll_ns())

    def on_its_host(self) -> AbstractContextManager[None]:
        """For what a round draws from the random numbers of its process."""
        assert self._process is not None
        return self._environment.context.on(self._process.thread, self._process.host)

    def regular(self) -> Regular | None:
        return self._timer.regular() if self._timer is not None and self.idle else None

    def move(self, ns: int) -> None:
        assert self._timer is not None
        self._timer.move(ns)

    def nudge(self) -> None:
        """Let the loop go round once, for a flag that it looks at: now, or when it comes here next."""
        self._nudged = True
        self.wake()


def _always() -> bool:
    return True
