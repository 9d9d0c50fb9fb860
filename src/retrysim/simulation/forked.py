"""What a pool process that is one of the machine asks of the simulation: fakes, and ids from its random streams."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from retrysim.kernel import Streams
from retrysim.patches import Reality
from retrysim.wire.line import Line

if TYPE_CHECKING:
    from retrysim.fakes.request import Request
    from retrysim.fakes.response import Response
    from retrysim.kernel.forked.face import Face
    from retrysim.kernel.forked.faces import Faces
    from retrysim.kernel.forked.inside import Link
    from retrysim.simulation.served_fakes import ServedFakes


def share_fakes(faces: Faces, fakes: ServedFakes, reality: Reality) -> None:
    """Let the fakes answer children, who have one set of limits with all others."""
    faces.services["fakes"] = lambda face: _Fakes(fakes, reality, face)

    def in_child(link: Link) -> None:
        def find(scheme: str, host: str, port: int) -> Callable[[Request], Response] | None:
            if not link.call("fakes", "serves", scheme, host, port):
                return None
            return lambda request: link.call("fakes", "answer", fakes.caller(), scheme, host, port, request)

        permits_here = reality.permits

        def permits(*names: str) -> bool:
            return permits_here(*names) or bool(link.call("fakes", "permits", *names))

        reality.permits = permits  # type: ignore[method-assign]
        link.replace(reality, "fakes", "note")
        fakes.find = find  # type: ignore[method-assign]
        fakes.make_line = lambda fake: _Line(link, fake.name)  # type: ignore[method-assign]
        reality.address_of = link.method("fakes", "address_of")
        reality.host_at = link.method("fakes", "host_at")

    faces.in_child.append(in_child)


class _Fakes:
    """The fakes, as children ask for them."""

    def __init__(self, fakes: ServedFakes, reality: Reality, face: Face) -> None:
        self._routes = {fake.name: route for fake, route in fakes.routes.items()}
        self._host = face.process.host.top
        self.answer = fakes.answer_for
        self.address_of = reality.address_of
        self.host_at = reality.host_at
        self.permits = reality.permits
        self.note = reality.note
        self._find = fakes.find

    def line(self, fake: str) -> tuple[bool, bool, int]:
        route = self._routes[fake]
        return route.is_down, route.silences(self._host), route.delay_ns(self._host)

    def halves(self, fake: str) -> bool:
        return self._routes[fake].halves(self._host)

    def serves(self, scheme: str, host: str, port: int) -> bool:
        return self._find(scheme, host, port) is not None


class _Line(Line):
    """A child's line to a fake: whether anything passes is known to the simulation alone."""

    def __init__(self, link: Link, fake: str) -> None:
        super().__init__()
        self._link, self._fake = link, fake

    @property
    def refuses(self) -> bool:  # type: ignore[override]
        return self._state()[0]

    @property
    def silent(self) -> bool:  # type: ignore[override]
        return self._state()[1]

    @property
    def delay_ns(self) -> int:  # type: ignore[override]
        return self._state()[2]

    def _state(self) -> tuple[bool, bool, int]:
        state: tuple[bool, bool, int] = self._link.call("fakes", "line", self._fake)
        return state

    def halves(self) -> bool:
        return bool(self._link.call("fakes", "halves", self._fake))


def share_streams(faces: Faces, streams: Streams) -> None:
    """Let children draw ids from the streams that all draw from: no two draw the same one."""
    faces.seed = streams.seed
    faces.services["streams"] = lambda _: _Streams(streams)

    def in_child(link: Link) -> None:
        for name in streams.names:
            streams[name].getrandbits = partial(link.call, "streams", "draw", name)  # type: ignore[method-assign]

    faces.in_child.append(in_child)


class _Streams:
    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def draw(self, name: str, bits: int) -> int:
        return self._streams[name].getrandbits(bits)
