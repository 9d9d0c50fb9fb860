"""Names whose values each host has for itself: whoever has control finds its own values under them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from retrysim.kernel.host import Host, Role
from retrysim.undo import UndoStack

if TYPE_CHECKING:
    from retrysim.kernel.environment import Environment

#: What ``fresh`` gives for a host that has no value of its own there: it has the test's.
SHARED: Any = object()


class Variable:
    """One name: how to read and write it, and its value in a new host."""

    __slots__ = ("fresh", "get", "put")

    def __init__(self, get: Callable[[], Any], put: Callable[[Any], None], fresh: Callable[[Host], Any]) -> None:
        self.get = get
        self.put = put
        self.fresh = fresh


class OwnState:
    """What hosts have for themselves of what one mechanism keeps in globals.

    Only references are exchanged, never contents. A new host begins with what ``fresh(host)`` gives when it first has
    control.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._places: list[Variable] = []
        self._here = environment.test
        self._of_test: dict[Variable, Any] = {}
        self._to_put: list[tuple[Variable, Any]] = []

    def add(self, get: Callable[[], Any], put: Callable[[Any], None], fresh: Callable[[Host], Any]) -> Variable:
        """Let one more name be each host's own. What is there now is the value of whoever has control."""
        place = Variable(get, put, fresh)
        self._places.append(place)
        if self._here.role is not Role.TEST:
            self._of_test[place] = fresh(self._environment.test)
        return place

    def connect(self, undo: UndoStack) -> None:
        """Exchange the values whenever control goes to another host; when ``undo`` is unwound, the test's are back."""
        undo.then(lambda: self.enter(self._environment.test))
        self._environment.listeners.add(undo, host_entered=self.enter)

    def keeper(self, host: Host) -> Host:
        """Whose values a host uses."""
        return host

    def enter(self, host: Host) -> None:
        """From here on every name has the value of this host. Where a signal ends it halfway, the next call ends it."""
        self._put()
        host = self.keeper(host)
        if host is self._here:
            return
        before, after = self._values(self._here), self._values(host)
        for place in before:
            before[place] = place.get()
        for place in after:
            if place not in before:
                self._of_test[place] = place.get()
        left = [(place, self._of_test[place]) for place in before if place not in after]
        self._to_put, self._here = [*after.items(), *left], host
        self._put()

    def _put(self) -> None:
        for place, value in self._to_put:
            place.put(value)
        self._to_put = []

    def hand_over(self, host: Host, *places: Variable) -> None:
        """Give a host the test's values of these names, as they are now."""
        for place in places:
            self._values(host)[place] = place.get()

    def _values(self, host: Host) -> dict[Variable, Any]:
        if host.role is Role.TEST:
            return {}
        values, begun = host.own.setdefault(self, ({}, 0))
        if begun < len(self._places):
            fresh = {place: place.fresh(host) for place in self._places[begun:]}
            values.update({place: value for place, value in fresh.items() if value is not SHARED})
            host.own[self] = values, len(self._places)
        return values  # type: ignore[no-any-return]
