"""An answer as data: status, headers, body, and what the network does to it (latency, a broken connection)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Break(Enum):
    """How a connection breaks instead of carrying the answer whole."""

    REFUSED = "refused"  # nobody listens: connect fails
    RESET = "reset"  # the peer resets after the request was sent
    SILENCE = "silence"  # nothing comes until the client's own timeout
    TRUNCATED = "truncated"  # the body ends early


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One HTTP response.

    ``headers`` are pairs in wire order, names in the vendor's case; ``latency_ns`` is the time between the request's
    last byte and the response's first; ``broken`` says how the connection breaks, if it does.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    latency_ns: int = 0
    broken: Break | None = None
