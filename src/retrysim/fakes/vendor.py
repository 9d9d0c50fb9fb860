"""The protocol of an API: what one vendor does differently from another; the order of things is the pipeline's."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from retrysim.fakes.reply import Reply
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.routing import Routes
from retrysim.fakes.visit import Identity, Visit
from retrysim.ratelimit.limiter import Decision, Limiter
from retrysim.ratelimit.rate import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One limit that a call must pass: what it is counted for, and for whom.

    ``key`` is the counter within the limiter, ``name`` the limit's own where an API has several; a ``hidden`` one is
    shown in no header. ``rate`` is the rate it is named after. A unit that ``is_held`` comes back when
    the answer has arrived.
    """

    bucket: str
    limiter: Limiter
    identity: Identity
    key: Hashable
    cost: int = 1
    name: str = ""
    hidden: bool = False
    rate: Rate | None = None
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A quota and what it says to a call."""

    quota: Quota
    decision: Decision


def last_refusal(counts: Sequence[Count]) -> Count | None:
    """Of the limits that refuse, the one that opens last, or not by itself; ``None`` when none refuses."""
    refusing = [count for count in counts if not count.decision.allowed]
    return max(refusing, key=_opens_ns, default=None)


def _opens_ns(count: Count) -> tuple[bool, int]:
    opens_ns = count.decision.retry_at_ns
    return opens_ns is None, opens_ns or 0


class Vendor(Protocol):
    """An API behind a fake: endpoints, door, limits, and how its answers look. It may keep state; it does no I/O."""

    @property
    def router(self) -> Routes:
        """The endpoints."""
        ...

    @property
    def state(self) -> object:
        """What the endpoints' functions work on."""
        ...

    def quotas(self, visit: Visit) -> Sequence[Quota]:
        """The limits that a call must pass, first the one to be shown; raises ``Refusal`` at the door."""
        ...

    def unmatched(self, request: Request) -> Reply:
        """What is said where there is no endpoint."""
        ...

    def malformed(self, request: Request, what: str) -> Reply:
        """What is said about a request, a parameter or a body that cannot be read."""
        ...

    def failure(self, request: Request, status: int) -> Reply:
        """What is said while the server is over capacity (503) or has an internal error (500)."""
        ...

    def limited(self, visit: Visit, refused: Count) -> Reply:
        """What is said to a call that a limit turns away."""
        ...

    def told_ns(self, visit: Visit, refused: Count, counts: Sequence[Count]) -> int | None:
        """The last instant that the answer to a limited call names for coming again, ``None`` where it names none."""
        ...

    def dress(self, reply: Reply, request: Request, counts: Sequence[Count], now_ns: int) -> Response:
        """The reply with the headers of this API."""
        ...
