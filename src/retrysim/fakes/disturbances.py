"""What disturbs the calls of a client: which trouble strikes which call, and how long the answer takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from retrysim.fakes.latency import Latency
from retrysim.fakes.pipeline import Answered, answer, answer_failing, endpoint_name
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.seeded import draw
from retrysim.fakes.trouble import BREAKS_BEFORE, FAILS_WITH, FailureMode, Trouble, spoil
from retrysim.fakes.vendor import Vendor
from retrysim.fakes.when import NthCall

#: The trouble of a call that is late and else well.
SLOW = "slow"
#: Endpoint -> the troubles that meet this call of it beside the fake's own: the kind, and how much later (ns) it ends.
Struck = Callable[[str], list[tuple[str, int]]]


class Disturbances:
    """Counts calls, so that each trouble knows when it is due; the same seed brings the same disturbances."""

    __slots__ = ("_begin_ns", "_latency", "_numbers", "_seed", "_troubles")

    def __init__(self, troubles: tuple[Trouble, ...], latency: Latency, seed: int) -> None:
        self._troubles = troubles
        self._latency = latency
        self._seed = seed
        self._begin_ns: int | None = None
        self._numbers: dict[str, int] = {}

    def answer(self, vendor: Vendor, request: Request, now_ns: int, struck: Struck | None = None) -> Answered:
        """What the client gets of what the vendor answers; ``struck`` knows what else meets a call of an endpoint."""
        if self._troubles or struck is not None:
            outcome = self._troubled(vendor, request, now_ns, struck)
        else:
            outcome = answer(vendor, request, now_ns)
        return self._late(outcome) if self._latency.most_ns else outcome

    def _late(self, outcome: Answered) -> Answered:
        latency_ns = self._latency.draw(draw("latency", self._seed, self._next("latency")))
        return replace(outcome, response=_later(outcome.response, latency_ns))

    def _troubled(self, vendor: Vendor, request: Request, now_ns: int, struck: Struck | None) -> Answered:
        name = endpoint_name(vendor, request)
        kinds = self._due(name, now_ns)
        more = struck(name) if struck is not None else []
        kinds += [FailureMode(kind) for kind, _ in more if kind != SLOW]
        outcome = _stopped(vendor, request, now_ns, name, kinds) or answer(vendor, request, now_ns)
        for kind in kinds:
            response = spoil(outcome.response, kind)
            decision = "broken" if response.broken else outcome.decision
            outcome = replace(outcome, response=response, decision=decision)
        late_ns = sum(by_ns for _, by_ns in more)
        return replace(outcome, response=_later(outcome.response, late_ns)) if late_ns else outcome

    def _due(self, name: str, now_ns: int) -> list[FailureMode]:
        """The kinds of trouble that meet this call of an endpoint, in the order in which they were given."""
        if self._begin_ns is None:
            self._begin_ns = now_ns
        numbers = {"": self._next(""), name: self._next(name)}
        due = []
        for index, trouble in enumerate(self._troubles):
            number = numbers.get(trouble.when.endpoint)
            if number is not None:
                word = draw("trouble", self._seed, index, number)
                moment = NthCall(number=number, elapsed_ns=now_ns - self._begin_ns, word=word)
                due += [trouble.kind] if trouble.when.holds(moment) else []
        return due

    def _next(self, name: str) -> int:
        self._numbers[name] = self._numbers.get(name, 0) + 1
        return self._numbers[name]


def _later(response: Response, by_ns: int) -> Response:
    return replace(response, latency_ns=response.latency_ns + by_ns)


def _stopped(vendor: Vendor, request: Request, now_ns: int, name: str, kinds: list[FailureMode]) -> Answered | None:
    """The end of a call that trouble stops before anything is done, by the first kind that does."""
    for kind in kinds:
        if kind in BREAKS_BEFORE:
            return Answered(response=Response(status=0, broken=BREAKS_BEFORE[kind]), endpoint=name, decision="broken")
        if kind in FAILS_WITH:
            return answer_failing(vendor, request, FAILS_WITH[kind], now_ns)
        if kind is FailureMode.RATE_LIMITED:
            return answer(vendor, request, now_ns, turn_away=True)
    return None
