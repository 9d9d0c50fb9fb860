"""The network as a client meets it while an interceptor is installed: which hosts are served, and a line to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from retrysim.errors import Deadlock
from retrysim.wire.broken import refused_error
from retrysim.wire.conversation import Conversation
from retrysim.wire.handler import Find
from retrysim.wire.lifeline import Lifeline
from retrysim.wire.line import Line, MakeLine, faultless
from retrysim.wire.memory_socket import MemorySocket
from retrysim.wire.origin import Origin


def raise_deadlock(origin: Origin) -> NoReturn:
    """A read without a timeout from a peer that stays silent: a real client would never return."""
    raise Deadlock(
        f"{origin} does not answer, and the client waits for it without a timeout: it would wait forever; "
        "give the call a timeout"
    )


class Dialer:
    """Opens in-memory connections to the origins that ``find`` knows; they are all dropped by ``shut_down``."""

    __slots__ = ("_find", "_hang", "_make_line", "lifeline")

    def __init__(
        self, find: Find, hang: Callable[[Origin], NoReturn] = raise_deadlock, make_line: MakeLine = faultless
    ) -> None:
        self._find = find
        self._hang = hang
        self._make_line = make_line
        self.lifeline = Lifeline()

    def serves(self, origin: Origin) -> bool:
        """Does anybody serve the origin? ``find`` may raise."""
        return self._find(origin.scheme, origin.host, origin.port) is not None

    def converse(self, origin: Origin) -> Conversation | None:
        """The server's side of a new connection; ``None`` when nobody serves the origin. ``find`` may raise."""
        handler = self._find(origin.scheme, origin.host, origin.port)
        return None if handler is None else Conversation(origin, handler)

    def line(self, origin: Origin, refused: Callable[[], Exception] = refused_error) -> Line:
        """The line of a new connection to an origin that is served; raises ``refused()`` if nobody listens now."""
        line = self._make_line(origin.scheme, origin.host, origin.port)
        if line.refuses:
            raise refused()
        return line

    def dial(
        self, origin: Origin, *, timeout: float | None, refused: Callable[[], Exception] = refused_error
    ) -> MemorySocket | None:
        """A client's socket to the origin; ``None`` when nobody serves it."""
        conversation = self.converse(origin)
        if conversation is None:
            return None
        return MemorySocket(
            conversation=conversation,
            lifeline=self.lifeline,
            line=self.line(origin, refused),
            hang=self._hang,
            timeout=timeout,
            refused=refused,
        )

    def shut_down(self) -> None:
        self.lifeline.cut()
