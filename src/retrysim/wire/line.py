"""What lies between a client's connection and a fake: by default nothing; else silence, delay, a cut.

Silence is a partition: what is sent meanwhile is sent again until it passes, at the intervals of Linux: 0.2 s, then
twice as long each time, up to 2 minutes (``TCP_RTO_MIN``). After 15 tries (``tcp_retries2``) the connection times out.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import replace

from retrysim.wire.broken import reset_error
from retrysim.wire.reply import Ending, WireReply

_FIRST_S, _LONGEST_S, _TRIES = 0.2, 120.0, 15


class Line:
    """One connection's line, on which nothing goes wrong."""

    #: nobody listens at its other end
    refuses = False
    #: nothing passes now
    silent = False
    #: it is broken for good
    cut = False
    #: how long data takes in each direction
    delay_ns = 0

    def __init__(self) -> None:
        self._tries = 0

    def halves(self) -> bool:
        """Whether the answer that comes now is cut in the middle; asked once for each answer."""
        return False

    def leave(self) -> None:
        """The client has closed the connection."""

    def carried(self, replies: Iterable[WireReply]) -> list[WireReply]:
        """The replies as they arrive at the client."""
        self._tries = 0
        return [self._carried(reply) for reply in replies]

    def _carried(self, reply: WireReply) -> WireReply:
        if reply.data and self.halves():
            reply = replace(reply, data=reply.data[: len(reply.data) // 2], ending=Ending.RESET)
        return replace(reply, latency_ns=reply.latency_ns + 2 * self.delay_ns) if self.delay_ns else reply

    def until_sent_again(self) -> float:
        """Seconds until the silent line is tried again; it is cut once it was tried too often."""
        self._tries += 1
        self.cut = self._tries > _TRIES
        return min(_FIRST_S * 2.0 ** (self._tries - 1), _LONGEST_S)

    def error(self) -> OSError:
        """What a client gets that reads from a line that is cut."""
        if self._tries > _TRIES:
            return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        return reset_error()


#: The line of a new connection to an origin.
MakeLine = Callable[[str, str, int], Line]


def faultless(_scheme: str, _host: str, _port: int) -> Line:
    return Line()
