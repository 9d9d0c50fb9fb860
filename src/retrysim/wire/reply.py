"""What the server's side puts on the line after a request: bytes, when, and what happens to the connection then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Ending(Enum):
    """What happens to a connection after a reply."""

    OPEN = "open"  # it is kept alive for the next request
    CLOSED = "closed"  # the peer closes it: end of file
    RESET = "reset"  # the peer resets it
    SILENT = "silent"  # nothing more ever comes
    REFUSED = "refused"  # it was never there: the connect should have failed


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReply:
    """``data`` arrives ``latency_ns`` after the request was sent; then the connection does what ``ending`` says.

    ``refusal`` is why no handler was asked, if none was.
    """

    data: bytes = b""
    latency_ns: int = 0
    ending: Ending = Ending.OPEN
    refusal: str = ""
