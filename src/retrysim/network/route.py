"""The route from all hosts to one server, and its faults: cut, silent, refused, slow, half sent.

A broken connection is noticed at the next read or write, as on TCP. A partition is silence: what a client sends waits
for the repair, as TCP's retransmissions do, and so does what the server answers. A server that is down refuses
connections.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from retrysim.clock import grid_ns
from retrysim.durations import SECOND
from retrysim.errors import Runaway
from retrysim.kernel import Condition, Host, Role
from retrysim.network.connection import Connection
from retrysim.network.server import Server, Session

if TYPE_CHECKING:
    from retrysim.kernel.schedule import ScheduledCall
    from retrysim.network.network import Network

#: How long Linux sends SYNs to a host that does not answer (tcp_syn_retries = 6), when nobody sets a timeout.
_CONNECT_TIMEOUT_NS = 127 * SECOND

#: Chooses hosts.
Of = Callable[[Host], bool]


def _all(_host: Host) -> bool:
    return True


class Route:
    """How hosts reach one server."""

    def __init__(self, network: Network, server: Server) -> None:
        self.network = network
        self.environment = network.environment
        self.server = server
        #: the open connections, oldest first
        self.connections: list[Connection] = []
        #: the machines between which and the server nothing passes
        self.parted: dict[str, Condition] = {}
        self._delays: list[tuple[Of, int]] = []
        self._halved: list[Of] = []
        self.is_down = False

    def connect(
        self, timeout: float | None = None, accept: Callable[[Connection, int], Session] | None = None
    ) -> Connection:
        """Connect the host that runs now. ``timeout`` is in seconds; ``accept`` stands in for the server's own.

        Raises ``TimeoutError`` when a partition outlasts the timeout, ``ConnectionRefusedError`` when the server is
        down.
        """
        host = self.environment.host.top
        if host.machine in self.parted:
            timeout_ns = _CONNECT_TIMEOUT_NS if timeout is None else grid_ns(timeout)
            if not self.environment.wait(self.parted[host.machine], timeout_ns=timeout_ns):
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if self.is_down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        if host.role is Role.WORKER:
            self._count_connection_of(host)
        connection = Connection(self, host)
        self.connections.append(connection)
        try:
            connection.session = (accept or self.server.accept)(connection, self.environment.clock.ns)
        except BaseException:
            connection.leave()
            self.network.leave(connection.file_number)
            raise
        return connection

    def _count_connection_of(self, worker: Host) -> None:
        try:
            self.environment.meter.count_connection(worker.name, self.server.name)
        except Runaway as error:
            self.environment.fail(error)  # what this raises in a worker Celery takes for an error of its own
            raise

    def call_at(self, ns: int, callback: Callable[[], None], *, daemon: bool = True) -> ScheduledCall:
        """Call back at an instant. By default this does not keep the run alive; ``cancel()`` takes it back."""
        return self.environment.schedule(ns, callback, daemon=daemon)

    # -- what connections ask ------------------------------------------------------------------------------------------

    def silences(self, host: Host) -> bool:
        """Whether nothing passes between this host and the server."""
        return host.machine in self.parted

    def delay_ns(self, host: Host) -> int:
        """How long data takes from this host to the server, or back."""
        return sum(ns for of, ns in self._delays if of(host)) if self._delays else 0

    def halves(self, host: Host) -> bool:
        """Whether the answer that the server sends now is cut in the middle; asked once for each answer."""
        if not self._halved:
            return False
        of = next((of for of in self._halved if of(host)), None)
        if of is not None:
            self._halved.remove(of)
        return of is not None

    def is_disturbed_for(self, host: Host) -> bool:
        """Whether a fault would meet what this host sends, or its answer."""
        return self.is_down or self.silences(host) or self.delay_ns(host) > 0 or any(of(host) for of in self._halved)

    # -- faults and their undoing --------------------------------------------------------------------------------------

    def cut_connections(self, of: Of = _all) -> None:
        """Break the connections of the hosts that ``of`` chooses; new ones can be made at once."""
        for connection in self.of(of):
            connection.break_off()

    def cut_in_mid_answer(self, of: Of = _all) -> None:
        """Break the next connection on which the server answers one of these hosts, after half of the answer."""
        self._halved.append(of)

    def shut_down(self) -> None:
        """The server is gone: its connections break, the newest first, and new ones are refused.

        Linux closes the files of a process that ends in this order (task_work.c runs the last one first). A client
        that both wake up sees the newest first, too.
        """
        self.is_down = True
        for connection in reversed(self.of(_all)):
            connection.break_off()

    def start_up(self) -> None:
        """The server is there again."""
        self.is_down = False

    def partition(self, machine: str) -> None:
        """Let nothing pass any more between a machine and the server."""
        if machine not in self.parted:
            self.parted[machine] = Condition("the repair of the network")

    def repair(self, machine: str) -> None:
        """What was sent meanwhile arrives, in both directions."""
        repaired = self.parted.pop(machine, None)
        if repaired is not None:
            repaired.notify_all()
            for connection in self.of(lambda host: host.machine == machine):
                connection.catch_up()

    def slow_down(self, delay_ns: int, of: Of = _all) -> Callable[[], None]:
        """Let data of these hosts take this much longer in each direction; call what is returned to undo it."""
        rule = (of, delay_ns)
        self._delays.append(rule)
        return lambda: self._delays.remove(rule)

    def drop(self, host: Host) -> None:
        """A host has died: the server loses its connections, and nobody is left to read from them."""
        for connection in self.of(lambda its: its is host):
            connection.lose_server()

    def end(self) -> None:
        """The simulation is over: no fault is left, so nobody who still holds a client retries in real time."""
        self.start_up()
        for faults in (self.parted, self._delays, self._halved):
            faults.clear()

    def of(self, wanted: Of) -> list[Connection]:
        """The connections of some hosts."""
        return [connection for connection in self.connections if wanted(connection.host)]
