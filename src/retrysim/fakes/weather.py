"""The weather between a client and an API: which trouble meets which call, and how long the answer takes."""

from __future__ import annotations

from dataclasses import replace

from retrysim.fakes.latency import Latency
from retrysim.fakes.pipeline import Outcome, answer, answer_failing, endpoint_name
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.seeded import draw
from retrysim.fakes.trouble import BREAKS_BEFORE, FAILS_WITH, Kind, Trouble, spoil
from retrysim.fakes.vendor import Vendor
from retrysim.fakes.when import Moment


class Weather:
    """Counts calls, so that each trouble knows when it is due; the same seed brings the same weather."""

    __slots__ = ("_begin_ns", "_latency", "_numbers", "_seed", "_troubles")

    def __init__(self, troubles: tuple[Trouble, ...], latency: Latency, seed: int) -> None:
        self._troubles = troubles
        self._latency = latency
        self._seed = seed
        self._begin_ns: int | None = None
        self._numbers: dict[str, int] = {}

    def answer(self, vendor: Vendor, request: Request, now_ns: int) -> Outcome:
        """What the client gets of what the vendor answers."""
        outcome = self._troubled(vendor, request, now_ns) if self._troubles else answer(vendor, request, now_ns)
        return self._late(outcome) if self._latency.most_ns else outcome

    def _late(self, outcome: Outcome) -> Outcome:
        latency_ns = self._latency.draw(draw("latency", self._seed, self._next("latency")))
        response = replace(outcome.response, latency_ns=outcome.response.latency_ns + latency_ns)
        return replace(outcome, response=response)

    def _troubled(self, vendor: Vendor, request: Request, now_ns: int) -> Outcome:
        name = endpoint_name(vendor, request)
        kinds = self._due(name, now_ns)
        outcome = _stopped(vendor, request, now_ns, name, kinds) or answer(vendor, request, now_ns)
        for kind in kinds:
            response = spoil(outcome.response, kind)
            decision = "broken" if response.broken else outcome.decision
            outcome = replace(outcome, response=response, decision=decision)
        return outcome

    def _due(self, name: str, now_ns: int) -> list[Kind]:
        """The kinds of trouble that meet this call of an endpoint, in the order in which they were given."""
        if self._begin_ns is None:
            self._begin_ns = now_ns
        numbers = {"": self._next(""), name: self._next(name)}
        due = []
        for index, trouble in enumerate(self._troubles):
            number = numbers.get(trouble.when.endpoint)
            if number is not None:
                word = draw("trouble", self._seed, index, number)
                moment = Moment(number=number, elapsed_ns=now_ns - self._begin_ns, word=word)
                due += [trouble.kind] if trouble.when.holds(moment) else []
        return due

    def _next(self, name: str) -> int:
        self._numbers[name] = self._numbers.get(name, 0) + 1
        return self._numbers[name]


def _stopped(vendor: Vendor, request: Request, now_ns: int, name: str, kinds: list[Kind]) -> Outcome | None:
    """The end of a call that trouble stops before anything is done, by the first kind that does."""
    for kind in kinds:
        if kind in BREAKS_BEFORE:
            return Outcome(response=Response(status=0, broken=BREAKS_BEFORE[kind]), endpoint=name, decision="broken")
        if kind in FAILS_WITH:
            return answer_failing(vendor, request, FAILS_WITH[kind], now_ns)
        if kind is Kind.RATE_LIMITED:
            return answer(vendor, request, now_ns, turn_away=True)
    return None
