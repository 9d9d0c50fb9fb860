"""One connection from a host to a server, as TCP has it: two streams in order, and an end that each side notices."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from retrysim.durations import MILLISECOND
from retrysim.kernel import Condition, Host
from retrysim.network.server import Session
from retrysim.ordered import OrderedSet

if TYPE_CHECKING:
    from retrysim.kernel.schedule import ScheduledCall
    from retrysim.network.poller import Poller
    from retrysim.network.route import Route

#: How long Linux sends again what is not acknowledged (tcp_retries2 = 15, "924.6 seconds" in ip-sysctl.rst).
_RETRANSMISSIONS_NS = 924_600 * MILLISECOND


class Connection:
    """Carries data both ways: bytes, or whatever client and server have agreed on, which is passed as it is.

    ``host`` is who opened it: a worker, for the children of its pool, too. What nothing delays arrives before ``send``
    returns.
    """

    session: Session

    def __init__(self, route: Route, host: Host) -> None:
        self.route = route
        self.host = host
        self.file_number = route.network.enter(self)
        self.arrived = Condition(f"a reply from {route.server.name}")
        #: who watches it
        self.pollers: OrderedSet[Poller] = OrderedSet()
        #: what has arrived and the client has not read
        self.inbox: deque[Any] = deque()
        #: whether TCP has given up: what the client sent was never acknowledged
        self.timed_out = False
        #: whether the server reset the connection instead of closing it
        self.was_reset = False
        self._broken = False
        self._closed = False
        self._lost = False
        self._over = False
        self._arrivals = 0
        self._to_server, self._to_client = _Way(self), _Way(self)
        self._giving_up: ScheduledCall | None = None
        self._unsent: list[Any] = []
        self._undelivered: list[Any] = []

    # -- the client's end ----------------------------------------------------------------------------------------------

    @property
    def silent(self) -> bool:
        """Whether the network lets nothing pass."""
        return self.host.machine in self.route.parted and not self._over

    @property
    def readable(self) -> bool:
        """Whether data waits to be read, or the end of the connection."""
        return self.timed_out or ((bool(self.inbox) or self._broken) and not self.silent)

    @property
    def ended(self) -> bool:
        """Whether the server has hung up and nothing is left to be read."""
        return self._broken and not self.silent and not self.inbox

    @property
    def unread(self) -> list[Any]:
        """What the server has sent and the client has not read; it stays to be read."""
        return [*self._undelivered, *self.inbox]

    @property
    def state(self) -> tuple[int, int]:
        """Changes whenever something arrives or is read."""
        return self._arrivals, len(self.inbox)

    @property
    def arrivals(self) -> int:
        """How often something has arrived."""
        return self._arrivals

    @property
    def broken(self) -> bool:
        """Whether the server's end is gone."""
        return self._broken

    @property
    def is_undisturbed(self) -> bool:
        """Whether what is sent arrives at once in either direction, and nothing else is on its way."""
        under_way = self._to_server.is_busy or self._to_client.is_busy or bool(self.inbox or self._unsent)
        ends = self._broken or self._closed or self._lost or self.timed_out
        return not (ends or under_way or self.route.is_disturbed_for(self.host))

    @property
    def in_hub(self) -> bool:
        """Whether an event loop waits for it just now."""
        return any(poller.parked for poller in self.pollers)

    def fileno(self) -> int:
        return self.file_number

    def send_to_server(self, data: Any) -> None:
        """Send. Raises ``BrokenPipeError`` once the server has hung up."""
        if self._broken and not self.silent:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        environment = self.route.environment
        if not environment.owns_thread:
            self.host = environment.host  # a thread of the test took over from a worker, by a pool that they share
        if self.silent:
            if not self._unsent:
                due_ns = environment.clock.ns + _RETRANSMISSIONS_NS
                self._giving_up = environment.schedule(due_ns, self._give_up)
            self._unsent.append(data)
        else:
            self._to_server.carry(self._reach_server, data)

    def wait(self, timeout_ns: int | None) -> bool:
        """Wait until something can be read, ``timeout_ns`` at most; returns whether it can."""
        environment = self.route.environment
        deadline_ns = None if timeout_ns is None else environment.clock.ns + timeout_ns
        while not self.readable:
            left_ns = None if deadline_ns is None else deadline_ns - environment.clock.ns
            if left_ns is not None and left_ns <= 0:
                return False
            environment.wait(self.arrived, timeout_ns=left_ns)
        return True

    def close(self) -> None:
        """The client is done with it."""
        self._closed = True
        self._forget_unsent()
        self.inbox.clear()
        self.route.network.leave(self.file_number)
        self.leave()
        self._tell_server()

    def end(self) -> None:
        """The simulation is over: whoever still holds it finds that the server has hung up."""
        self._over = self._broken = True
        self.inbox.clear()

    def _reach_server(self, data: Any) -> None:
        if not self._lost:
            self.session.data_received(data, self.route.environment.clock.ns)

    def _give_up(self) -> None:
        self.timed_out = True
        self._wake_client()

    def _forget_unsent(self) -> list[Any]:
        unsent, self._unsent = self._unsent, []
        if self._giving_up is not None:
            self._giving_up.cancel()
        return unsent

    # -- the server's end ----------------------------------------------------------------------------------------------

    def send(self, data: Any, *, delay_ns: int = 0) -> None:
        """Answer the client, ``delay_ns`` from now."""
        if delay_ns:
            self.call_at(self.route.environment.clock.ns + delay_ns, partial(self.send, data), daemon=False)
        elif not self._broken and self.route.halves(self.host):
            if isinstance(data, bytes):
                self._to_client.carry(self._arrive, data[: len(data) // 2])
            self._to_client.carry(self.reset)
        else:
            self._to_client.carry(self._arrive, data)

    def hang_up(self) -> None:
        """Close from the server's side: the client reads what it was sent, then the end."""
        self._lost = True
        self._to_client.carry(self._end)

    def reset(self) -> None:
        """End the connection at once, by an error: ``ECONNRESET`` for a client that reads."""
        self.was_reset = True
        self.break_off()

    def call_at(self, ns: int, callback: Callable[[], None], *, daemon: bool = True) -> ScheduledCall:
        """Call back at an instant; by default this does not keep the run alive."""
        return self.route.call_at(ns, callback, daemon=daemon)

    def _arrive(self, data: Any) -> None:
        """It has arrived, or waits for the network to let it pass."""
        if self.silent:
            self._undelivered.append(data)
        elif not self._closed:
            self.inbox.append(data)
            self._arrivals += 1
            self._wake_client()

    def _end(self) -> None:
        if not self._broken:
            self._arrivals += 1
            self._broken = True
            self.leave()
            self._wake_client()

    def _wake_client(self) -> None:
        self.arrived.notify_all()
        for poller in self.pollers:
            poller.arrived(self)

    # -- what the network does to it -----------------------------------------------------------------------------------

    def break_off(self) -> None:
        """Both sides lose it; what the server had answered can still be read."""
        if not self._broken:
            self._arrivals += 1
            self.lose_server()
            self._wake_client()

    def lose_server(self) -> None:
        """From here on nothing comes from the server, and it knows the client no more."""
        self._broken = True
        self.leave()
        self._tell_server()

    def catch_up(self) -> None:
        """The silence is over: what was sent and answered meanwhile arrives."""
        undelivered, self._undelivered = self._undelivered, []
        for data in undelivered:
            self._arrive(data)
        unsent = self._forget_unsent()
        for data in unsent if not self._broken else ():
            self.send_to_server(data)
        self._wake_client()

    def _tell_server(self) -> None:
        if not self._lost:
            self._lost = True
            self.session.connection_lost(self.route.environment.clock.ns)

    def leave(self) -> None:
        """It is no connection of the server any more; the client's file stays until that closes it."""
        if self in self.route.connections:
            self.route.connections.remove(self)


class _Way:
    """One direction: what is sent arrives in its order, after the delay that the route has then."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._under_way = 0
        self._last_ns = 0

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way."""
        return self._under_way > 0

    def carry(self, arrive: Callable[..., None], *data: Any) -> None:
        route = self._connection.route
        delay_ns = route.delay_ns(self._connection.host)
        if not delay_ns and not self._under_way:
            arrive(*data)
            return
        self._last_ns = max(route.environment.clock.ns + delay_ns, self._last_ns)
        self._under_way += 1
        route.environment.schedule(self._last_ns, partial(self._arrive, arrive, *data))

    def _arrive(self, arrive: Callable[..., None], *data: Any) -> None:
        self._under_way -= 1
        arrive(*data)
