"""One simulated network: the servers on it, and the file numbers of all connections."""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

from retrysim.kernel import Environment
from retrysim.network.forked import connect_through_the_parent
from retrysim.network.route import Route
from retrysim.network.server import Server

if TYPE_CHECKING:
    from retrysim.network.connection import Connection

#: No real file has such a number.
_FIRST_FILE_NUMBER = 1_000_000


class Network:
    """The connections of one simulation."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._numbers = itertools.count(_FIRST_FILE_NUMBER)
        self._open: dict[int, Connection] = {}
        #: who holds them
        self._holders: dict[int, weakref.ref[object]] = {}
        self._forgotten: list[int] = []
        #: the way to each server
        self.routes: list[Route] = []
        connect_through_the_parent(self)

    def route_to(self, server: Server) -> Route:
        """Put a server on the network. The route is how hosts reach it, and has its faults."""
        route = Route(self, server)
        self.routes.append(route)
        return route

    def end(self) -> None:
        """End every connection: the simulation is over, and an object that outlives it must not wait for an answer."""
        for connection in self._open.values():
            connection.end()
        self._open.clear()
        self._holders.clear()

    # -- file numbers --------------------------------------------------------------------------------------------------

    def enter(self, connection: Connection) -> int:
        """A file number for a new connection."""
        number = next(self._numbers)
        self._open[number] = connection
        return number

    def put(self, connection: Connection) -> None:
        """A connection that has its file number already, from the parent of this process of the machine."""
        self._open[connection.file_number] = connection

    def leave(self, number: int) -> None:
        """The connection is over."""
        self._open.pop(number, None)
        self._holders.pop(number, None)

    def find(self, file: Any) -> Connection | None:
        """The open connection of a file number, or of something with a ``fileno()``; ``None`` for any other file."""
        return self._open.get(file if isinstance(file, int) else file.fileno())

    # -- files that nobody holds ---------------------------------------------------------------------------------------

    def hold(self, number: int, holder: object) -> None:
        """Close the connection once ``holder`` is collected, as the operating system closes the file of a socket.

        That is done before the next connection is opened, not at any line where Python collects garbage. Without it, a
        server would keep the consumers of an app that is gone, and share messages among them and those of a new one:
        Celery names the queue of an app's results by its ``id()``, which comes again.
        """
        self._holders[number] = weakref.ref(holder, lambda _: self._forgotten.append(number))

    def let_go(self, number: int) -> None:
        """The connection stays open, whoever held it."""
        self._holders.pop(number, None)

    def hold_nothing(self) -> None:
        """In a process forked from that of the holders, which has only copies of their files."""
        self._holders.clear()

    def close_forgotten(self) -> None:
        """Close the connections whose holders have been collected."""
        while self._forgotten:
            connection = self._open.get(self._forgotten.pop(0))
            if connection is not None:
                connection.close()
