"""Stands in for the pollers of the operating system: waits in virtual time until a simulated socket is readable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrysim.clock import grid_ns
from retrysim.kernel import Condition

if TYPE_CHECKING:
    from retrysim.network.connection import Connection
    from retrysim.network.network import Network

#: What epoll calls it, and kombu after it: there is something to read, or the end of the connection.
READ = 0x001
#: What a hub is told of readable sockets: (file number, event).
Events = list[tuple[int, int]]


class Poller:
    """For a client that waits without an event loop. Its waits keep the run alive."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._environment = network.environment
        self._registered: dict[int, Connection] = {}
        #: what may be readable, in the order in which it became so, as epoll reports it
        self._ready: dict[int, Connection] = {}
        self._awake = Condition("a message from the broker")
        #: whether a worker's hub waits here just now
        self.parked = False

    def register(self, fd: Any, _events: int = READ) -> Any:
        """Watch a connection: a file number, or something with one. Nothing can happen to any other file."""
        connection = self._network.find(fd)
        if connection is not None:
            self._registered[connection.file_number] = connection
            connection.pollers.add(self)
            if connection.readable:
                self._ready[connection.file_number] = connection
        return fd

    def unregister(self, fd: Any) -> None:
        """Watch it no more. What is not watched is ignored, as kombu's own pollers ignore it."""
        number = fd if fd is None or isinstance(fd, int) else fd.fileno()
        connection = self._registered.pop(number, None) if number is not None else None
        if connection is not None:
            connection.pollers.discard(self)
            self._ready.pop(connection.file_number, None)

    def poll(self, timeout: float | None) -> Events:
        """Wait ``timeout`` seconds at most, ``None`` for as long as it takes; what is readable then."""
        ready = self._readable()
        if not ready and timeout != 0:
            self._environment.wait(self._awake, timeout_ns=None if timeout is None else grid_ns(timeout))
            ready = self._readable()
        return ready

    def nudge(self) -> None:
        """A flag was set that only the loop of a worker looks at."""

    def arrived(self, connection: Connection) -> None:
        """Something came that can be read; what is ready already keeps its place."""
        self._ready.setdefault(connection.file_number, connection)
        self.wake()

    def wake(self) -> None:
        """Let the one who waits look again."""
        self._awake.notify_all()

    def close(self) -> None:
        for number in tuple(self._registered):
            self.unregister(number)

    def _forget_what_was_read(self) -> None:
        """What is readable again later has its place behind what is readable before it, as in epoll's list."""
        self._ready = {number: its for number, its in self._ready.items() if its.readable}

    def _readable(self) -> Events:
        for number, connection in list(self._ready.items()):
            del self._ready[number]
            if connection.readable:
                self._ready[number] = connection  # what was reported is the last to be reported again
        return [(number, READ) for number in self._ready]
