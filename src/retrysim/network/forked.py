"""Connections of a host that is a process of the machine: they are opened in its parent, where the servers are.

The child has the client's end: what it sends is handed to the parent's connection, and what arrives there is handed to
the child with the next answer that it gets. Faults, delays and file numbers are those of the one network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from retrysim.kernel import Condition
from retrysim.network.connection import Connection
from retrysim.ordered import OrderedSet

if TYPE_CHECKING:
    from retrysim.kernel.forked.face import Face
    from retrysim.kernel.forked.inside import Link
    from retrysim.network.network import Network
    from retrysim.network.route import Route
    from retrysim.network.server import Session

#: The state of a connection, and what has arrived: (data, arrivals, broken, timed out, reset, silent).
State = tuple[list[Any], int, bool, bool, bool, bool]
Accept = Callable[[Connection, int], "Session"]
_CHANGED = "connection"


class Exchange:
    """The connections of one child, in its parent."""

    def __init__(self, network: Network, face: Face) -> None:
        self._network = network
        self._face = face
        self._connections: dict[int, Connection] = {}
        self._changed: dict[int, None] = {}
        #: as of a poller that waits in no hub
        self.parked = False
        face.more_news.append(self._news)

    def connect(self, place: int, timeout: float | None, accept: Accept | None) -> int:
        """Open a connection on the route at this place; its file number."""
        connection = self._network.routes[place].connect(timeout, accept)
        number = connection.file_number
        self._connections[number] = connection
        connection.pollers.add(self)  # type: ignore[arg-type]
        self._changed[number] = None
        return number

    def send(self, number: int, data: Any) -> None:
        self._changed[number] = None
        self._connections[number].send_to_server(data)

    def close(self, number: int) -> None:
        connection = self._connections.pop(number, None)
        if connection is not None:
            connection.close()

    def until_answer_ns(self, number: int) -> int | None:
        """How long the server lets this client wait at most, where it says so."""
        connection = self._connections[number]
        until = getattr(connection.route.server, "until_timeout_ns", None)
        return None if until is None else until(connection.session)

    def end(self) -> None:
        """The child is gone: its connections break."""
        for connection in self._connections.values():
            connection.lose_server()
            self._network.leave(connection.file_number)
        self._connections.clear()

    def arrived(self, connection: Connection) -> None:
        """Something came, or ended; called as of a poller."""
        self._changed[connection.file_number] = None
        self._face.news.notify_all()

    def _news(self) -> list[tuple[Any, ...]]:
        changed, self._changed = self._changed, {}
        return [(_CHANGED, number, self._state(number)) for number in changed if number in self._connections]

    def _state(self, number: int) -> State:
        connection = self._connections[number]
        silent = connection.silent
        data = [] if silent else list(connection.inbox)
        if not silent:
            connection.inbox.clear()
        return (
            data,
            connection.arrivals,
            connection.broken,
            connection.timed_out,
            connection.was_reset,
            silent,
        )


class FarConnection(Connection):
    """The client's end of a connection, in the child."""

    def __init__(self, link: Link, route: Route, number: int) -> None:
        self.route = route
        self.host = route.environment.host.top
        self.file_number = number
        self.arrived = Condition(f"a reply from {route.server.name}")
        self.pollers = OrderedSet()
        self.inbox: deque[Any] = deque()
        self.timed_out = self.was_reset = False
        self._broken = self._closed = self._silent = False
        self._arrivals = 0
        self._link = link

    @property
    def silent(self) -> bool:
        return self._silent

    @property
    def unread(self) -> list[Any]:
        return list(self.inbox)

    def send_to_server(self, data: Any) -> None:
        self._link.call("network", "send", self.file_number, data)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.inbox.clear()
            self.route.network.leave(self.file_number)
            self._link.call("network", "close", self.file_number)

    def take(self, state: State) -> None:
        """What has changed at the parent's end."""
        data, self._arrivals, self._broken, self.timed_out, was_reset, self._silent = state
        self.was_reset = self.was_reset or was_reset
        self.inbox.extend(data)
        if self.readable:
            self._wake_client()


def connect_through_the_parent(network: Network) -> None:
    """Let the hosts that are processes of the machine reach the servers of this network."""
    faces = network.environment.faces
    faces.services["network"] = partial(Exchange, network)

    def in_child(link: Link) -> None:
        network.hold_nothing()
        connections: dict[int, FarConnection] = {}

        def connect(place: int, timeout: float | None = None, accept: Accept | None = None) -> FarConnection:
            route = network.routes[place]
            number = link.call("network", "connect", place, timeout, accept)
            connection = FarConnection(link, route, number)
            connections[number] = connection
            network.put(connection)
            for state in waiting.pop(number, ()):
                connection.take(state)
            if accept is not None:
                connection.session = accept(connection, route.environment.clock.ns)
            return connection

        waiting: dict[int, list[State]] = {}

        def changed(number: int, state: State) -> None:
            connection = connections.get(number)
            if connection is None:
                waiting.setdefault(number, []).append(state)
            else:
                connection.take(state)

        link.on[_CHANGED] = changed
        for place, route in enumerate(network.routes):
            route.connect = partial(connect, place)  # type: ignore[method-assign]
            if hasattr(route.server, "until_timeout_ns"):
                route.server.until_timeout_ns = lambda session: link.call(
                    "network", "until_answer_ns", session.connection.file_number
                )

    faces.in_child.append(in_child)
