"""The network between the clients and the simulated Redis: what is cut, silent or refused.

A broken connection is known at the next read or write, as on TCP. A partition is silence: what is sent waits for the
repair, as TCP's retransmissions do; what the server answers waits, too. A server that is down refuses connections.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from retrysim.clock import grid_ns
from retrysim.durations import MILLISECOND, SECOND
from retrysim.kernel import Condition, Environment

if TYPE_CHECKING:
    from retrysim.celery.redis.sockets import Socket
    from retrysim.kernel.schedule import Event

#: How long Linux sends SYNs to a host that does not answer (tcp_syn_retries = 6), when nobody sets a timeout.
_CONNECT_TIMEOUT_NS = 127 * SECOND
#: How long Linux sends again what is not acknowledged (tcp_retries2 = 15, "924.6 seconds" in ip-sysctl.rst).
_RETRANSMISSIONS_NS = 924_600 * MILLISECOND


class Network:
    """Whom the server hears, and who hears the server. A host is a simulated process; ``None`` is the test's own."""

    def __init__(self, environment: Environment, sockets: Callable[[], Iterable[Socket]]) -> None:
        self._environment = environment
        self._sockets = sockets
        self._cut_off: dict[object, Condition] = {}
        self.is_down = False

    def silences(self, host: object) -> bool:
        """Whether nothing passes between this host and the server."""
        return host in self._cut_off

    def connect(self, host: object, timeout: float | None) -> None:
        """What a client's ``connect`` meets: nothing, a refusal, or silence until its timeout (seconds)."""
        if host in self._cut_off:
            timeout_ns = _CONNECT_TIMEOUT_NS if timeout is None else grid_ns(timeout)
            if not self._environment.wait(self._cut_off[host], timeout_ns=timeout_ns):
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if self.is_down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

    def after_retransmissions(self, give_up: Callable[[], None]) -> Event:
        """Call back when TCP no longer believes that what is sent now will arrive."""
        return self._environment.schedule(self._environment.clock.ns + _RETRANSMISSIONS_NS, give_up)

    # -- faults and their undoing --------------------------------------------------------------------------------------

    def cut_connections(self, of: Callable[[object], bool] = lambda _host: True) -> None:
        """Break the connections of the hosts that ``of`` says; new ones can be made at once."""
        for socket in self._of(of):
            socket.break_connection()

    def shut_down(self) -> None:
        """The server is gone: its connections break, the newest first, and new ones are refused.

        That is the order in which Linux closes the files of a process that ends (task_work.c runs what comes last
        first); a client that is woken by both sees the newest first, too.
        """
        self.is_down = True
        for socket in reversed(list(self._sockets())):
            socket.break_connection()

    def start_up(self) -> None:
        """The server is there again."""
        self.is_down = False

    def partition(self, host: object) -> None:
        """Let nothing pass any more between a host and the server."""
        if host not in self._cut_off:
            self._cut_off[host] = Condition("the repair of the network")

    def repair(self, host: object) -> None:
        """What was sent meanwhile arrives, in both directions."""
        repaired = self._cut_off.pop(host, None)
        if repaired is not None:
            repaired.notify_all()
            for socket in self._of(lambda its: its is host):
                socket.catch_up()

    def _of(self, wanted: Callable[[object], bool]) -> Iterator[Socket]:
        yield from [socket for socket in self._sockets() if wanted(socket.host)]
