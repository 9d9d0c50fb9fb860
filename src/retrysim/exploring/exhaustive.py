"""A bounded proof for a small scenario: every order of its ties with few departures from first come, first served.

Delay-bounded search (Emmi, Qadeer, Rakamaric, "Delay-Bounded Scheduling", POPL 2011): a schedule is what departs from
the plain order. A run whose trace has been seen is not gone on with: what follows from it has been tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from retrysim.durations import format_duration
from retrysim.errors import InputError
from retrysim.exploring.draws import PLAIN
from retrysim.exploring.exploration import Explorer
from retrysim.exploring.order import single_strikes
from retrysim.exploring.trial import Decision, Trial, TrialResult

#: How many departures are tried without a fault, and with one.
DEPARTURES, DEPARTURES_WITH_FAULT = 2, 1
#: The largest scenario that is small.
MOST_TASKS, MOST_WORKERS = 3, 2


@dataclass(slots=True, kw_only=True)
class Proof:
    """How far the search came: schedules tried, alike ones not gone on with, and those left open by the budget."""

    schedules: int = 0
    alike: int = 0
    left_open: int = 0

    def line(self, states: int) -> str:
        bounds = f"at most one fault and {DEPARTURES} departures ({DEPARTURES_WITH_FAULT} with a fault)"
        open_ = f"; {self.left_open} left open" if self.left_open else "; none left open"
        return f"all orders with {bounds}: {self.schedules} schedules, {self.alike} alike, {states} states{open_}"


def prove(explorer: Explorer) -> Proof:
    """Try every schedule within the bounds, as far as the budget goes. Raises ``InputError`` for a large scenario."""
    exploration = explorer.exploration
    tasks, workers = len(exploration.base.tasks), len(exploration.around.pools)
    if tasks > MOST_TASKS or workers > MOST_WORKERS:
        raise InputError(
            f"--exhaustive is for small scenarios: up to {MOST_TASKS} tasks and {MOST_WORKERS} workers; "
            f"this one has {tasks} and {workers}"
        )
    proof = Proof()
    seen: set[tuple[str, str]] = set()
    strikes = single_strikes(exploration.points, exploration.around, explorer.kinds)
    level = [Trial(draw=PLAIN), *(Trial(strikes=(strike,), draw=PLAIN) for strike in strikes)]
    while level:
        known: list[Trial] = []
        before = proof.schedules
        for trial, result in explorer.each(level):
            proof.schedules += 1
            key = (str(trial.strikes), result.digest)
            if key in seen:
                proof.alike += 1
                continue
            seen.add(key)
            known += _departures(trial, result)
        proof.left_open += len(level) - (proof.schedules - before)
        level = known
    return proof


def _departures(trial: Trial, result: TrialResult) -> Iterator[Trial]:
    """The schedules with one departure more, later than those that there are."""
    if len(trial.order) >= (DEPARTURES_WITH_FAULT if trial.strikes else DEPARTURES):
        return
    last = trial.order[-1] if trial.order else None
    passed = last is None
    for at_ns, number, hosts in result.ties:
        decision = {"at": format_duration(at_ns), **({"tie": number} if number > 1 else {})}
        if passed:
            for host in hosts[1:]:
                yield replace(trial, order=(*trial.order, {**decision, "next": host}))
        elif _is(decision, last):
            passed = True


def _is(decision: Decision, other: Decision | None) -> bool:
    return other is not None and (decision["at"], decision.get("tie")) == (other["at"], other.get("tie"))
