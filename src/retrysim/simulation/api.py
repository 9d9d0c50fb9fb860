"""``sim.api(fake)``: the faults of the way to a fake, in the words of ``sim.broker``."""

from __future__ import annotations

from typing import Any, cast

from retrysim.kernel import Environment, Host
from retrysim.network.route import Route
from retrysim.simulation.route_verbs import Note, RouteVerbs
from retrysim.wire.line import Line


class APIHandle(RouteVerbs):
    """The way of the workers to one fake. Its verbs act at once and do not wait."""

    def __init__(self, name: str, route: Route, environment: Environment, note: Note) -> None:
        super().__init__(name, environment, note)
        self._route = route

    def _network(self, verb: str) -> Route:
        return self._route

    def _stop(self, *, lose_data: bool) -> None:
        """A fake keeps what it knows of its clients."""

    def _boot_ns(self) -> int:
        return 0


class RouteLine(Line):
    """The line of one connection to a fake, as its route has it; the route knows it as a connection of its own."""

    def __init__(self, route: Route, host: Host) -> None:
        super().__init__()
        self._route = route
        #: whose connection it is
        self.host = host
        self._connections = cast(list[Any], route.connections)
        self._connections.append(self)

    @property
    def refuses(self) -> bool:  # type: ignore[override]
        return self._route.is_down

    @property
    def silent(self) -> bool:  # type: ignore[override]
        return self._route.silences(self.host)

    @property
    def delay_ns(self) -> int:  # type: ignore[override]
        return self._route.delay_ns(self.host)

    def halves(self) -> bool:
        return self._route.halves(self.host)

    def break_off(self) -> None:
        """A fault cuts it; the client notices at its next read or write."""
        self.cut = True
        self.leave()

    def lose_server(self) -> None:
        """The host has died."""
        self.break_off()

    def catch_up(self) -> None:
        """The partition is over: what was sent meanwhile is sent again, by the client's own clock."""

    def leave(self) -> None:
        if self in self._connections:
            self._connections.remove(self)
