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
class Part:
    """One limit of several.

    ``counts`` says what it counts of a call: its ``"cost"``, or one for each of the ``"calls"``, whatever they cost
    (requests per minute beside tokens per minute).
    """

    limiter: Limiter
    hidden: bool = False
    counts: Literal["cost", "calls"] = "cost"

    def units(self, cost: int) -> int:
        """What this limit counts of a call that costs so much."""
        return cost if self.counts == "cost" else 1


class AllOf:
    """Several limits as one, all counted under the same key; each part is a limiter of its own.

    Raises ``LimitError`` if there is no part, or none to show.
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
        return self._summary([part.limiter.check(key, now_ns, part.units(cost)) for part in self._parts])

    def take(self, key: Hashable, now_ns: int, cost: int = 1) -> Decision:
        decisions = [part.limiter.check(key, now_ns, part.units(cost)) for part in self._parts]
        allowed = all(decision.allowed for decision in decisions)
        for index, part in enumerate(self._parts):
            # A limit that refuses is told so, too: it takes nothing, but calling it while limited may have a price.
            if allowed or not decisions[index].allowed:
                decisions[index] = part.limiter.take(key, now_ns, part.units(cost))
        return self._summary(decisions)

    def charge(self, key: Hashable, now_ns: int, cost: int = 1) -> None:
        """Count a call that was not asked for: ``cost`` units, and one call."""
        for part in self._parts:
            part.limiter.charge(key, now_ns, part.units(cost))

    def give_back(self, key: Hashable, now_ns: int, amount: int = 1) -> None:
        """Return units to the parts that count cost; a call that was made stays made."""
        for part in self._parts:
            if part.counts == "cost":
                part.limiter.give_back(key, now_ns, amount)

    def _summary(self, decisions: Sequence[Decision]) -> Decision:
        visible = [decision for part, decision in zip(self._parts, decisions, strict=True) if not part.hidden]
        refusals = [decision for decision in decisions if not decision.allowed]
        if not refusals:
            return min(visible, key=_remaining)
        retry_at_ns = latest(refusal.retry_at_ns for refusal in refusals)
        return replace(_refusing(visible), allowed=False, retry_at_ns=retry_at_ns)


def _refusing(visible: Sequence[Decision]) -> Decision:
    """The limit that refuses longest; if all that refuse are hidden, the one with the fewest units left."""
    refusals = [decision for decision in visible if not decision.allowed]
    if not refusals:
        return min(visible, key=_remaining)
    longest_ns = latest(refusal.retry_at_ns for refusal in refusals)
    return next(refusal for refusal in refusals if refusal.retry_at_ns == longest_ns)


def _remaining(decision: Decision) -> int:
    return decision.remaining
