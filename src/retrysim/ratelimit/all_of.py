"""Several limits at once, all or nothing: a call is served if every limit allows it, and else taken from none.

The answer shows one of them, as most APIs do: the limit that refuses, or else the one closest to refusing. A hidden
limit refuses like any other but is never the one shown: so a call can be refused though something remains.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from retrysim.errors import LimitError
from retrysim.ratelimit.limiter import Decision, Limiter, latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one call asks of one limit; no two claims of a call are on the same key of the same limit."""

    limiter: Limiter
    key: Hashable
    cost: int = 1
    hidden: bool = False


def check_all(claims: Sequence[Claim], now_ns: int) -> Decision:
    """The verdict that ``take_all`` would give; counts nothing."""
    return _summary(claims, [claim.limiter.check(claim.key, now_ns, claim.cost) for claim in claims])


def take_all(claims: Sequence[Claim], now_ns: int) -> Decision:
    """Take every claim if all are allowed, and none if not; at least one must not be hidden."""
    decisions = [claim.limiter.check(claim.key, now_ns, claim.cost) for claim in claims]
    allowed = all(decision.allowed for decision in decisions)
    for index, claim in enumerate(claims):
        # A limit that refuses is told so, too: it takes nothing, but calling it while limited may have a price.
        if allowed or not decisions[index].allowed:
            decisions[index] = claim.limiter.take(claim.key, now_ns, claim.cost)
    return _summary(claims, decisions)


def _summary(claims: Sequence[Claim], decisions: list[Decision]) -> Decision:
    visible = [decision for claim, decision in zip(claims, decisions, strict=True) if not claim.hidden]
    refusals = [decision for decision in decisions if not decision.allowed]
    if not refusals:
        return min(visible, key=_remaining)
    retry_at_ns = latest(refusal.retry_at_ns for refusal in refusals)
    return replace(_refusing(visible), allowed=False, retry_at_ns=retry_at_ns)


def _refusing(visible: list[Decision]) -> Decision:
    """The limit that refuses longest; if all that refuse are hidden, the one with the fewest units left."""
    refusals = [decision for decision in visible if not decision.allowed]
    if not refusals:
        return min(visible, key=_remaining)
    longest_ns = latest(refusal.retry_at_ns for refusal in refusals)
    return next(refusal for refusal in refusals if refusal.retry_at_ns == longest_ns)


def _remaining(decision: Decision) -> int:
    return decision.remaining


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One limit of several.

    ``counts`` says what it counts of a call: its ``"cost"``, or one for each of the ``"calls"``, whatever they cost
    (requests per minute beside tokens per minute).
    """

    limiter: Limiter
    hidden: bool = False
    counts: Literal["cost", "calls"] = "cost"


class AllOf:
    """Several limits as one, all counted under the same key.

    Limits that are counted under different keys (one per token, one per app) are asked with ``take_all``. Raises
    ``LimitError`` if there is no part, or none to show.
    """

    __slots__ = ("_parts",)

    def __init__(self, *parts: Part) -> None:
        if all(part.hidden for part in parts):
            raise LimitError(
                "there is no limit to show: expected at least one part that is not hidden; "
                "an API that shows none has a dialect without headers"
            )
        self._parts = parts

    def check(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        return check_all(self._claims(key, cost), now_ns)

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        return take_all(self._claims(key, cost), now_ns)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        """Count a call that was not asked for: ``cost`` units, and one call."""
        for claim in self._claims(key, cost):
            claim.limiter.charge(key, now_ns, claim.cost)

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units to the parts that count cost; a call that was made stays made."""
        for part in self._parts:
            if part.counts == "cost":
                part.limiter.give_back(key, now_ns, amount)

    def _claims(self, key: Hashable, cost: int) -> list[Claim]:
        return [
            Claim(
                limiter=part.limiter,
                key=key,
                cost=cost if part.counts == "cost" else 1,
                hidden=part.hidden,
            )
            for part in self._parts
        ]
