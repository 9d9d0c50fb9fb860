"""How bad one run was for each task, compared with the run without a fault."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from retrysim.durations import MINUTE
from retrysim.exploring.trial import TaskFacts, TrialResult

Worst = Literal["ok", "late", "twice", "failed", "lost", "hangs"]
#: From harmless to bad.
ORDER: tuple[Worst, ...] = ("ok", "late", "twice", "failed", "lost", "hangs")
#: A task that settles later by less than this, beside what the fault itself lasted, is not late.
LATE_NS = 5 * MINUTE
#: How the reason begins why a task is lost that nobody sent.
NEVER_SENT = "it was never sent"
_NOT_ENDED = "has not ended"
#: The reason of a task that took no longer than without the fault.
_SENT_LATER = "it was sent later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What one run did to one task. ``detail`` tells causes apart: a reason, an exception, an endpoint."""

    label: str
    task: str
    worst: Worst
    late_ns: int | None = None
    times: int | None = None  # how often, for ``twice``
    detail: str = ""
    invariant: str = ""
    endpoint: str = ""  # the call that never had its effect, though the task ends well

    @property
    def follows(self) -> bool:
        """Whether it only follows from what happened to whoever sends the task."""
        return self.detail.startswith(f"{NEVER_SENT}, for ") or self.detail == _SENT_LATER

    @property
    def badness(self) -> tuple[int, int]:
        return ORDER.index(self.worst), self.late_ns or self.times or 0


def harms_of(result: TrialResult, base: TrialResult, *, lasts_ns: int = 0) -> list[Harm]:
    """Everything that is worse than in the run without a fault, the worst of each task.

    ``lasts_ns`` is how long the faults lasted themselves.
    """
    found: dict[str, Harm] = {}
    for harm in _all(result, base, lasts_ns):
        known = found.get(harm.label)
        if known is None or harm.badness > known.badness:
            found[harm.label] = harm
    return list(found.values())


def _all(result: TrialResult, base: TrialResult, lasts_ns: int) -> Iterator[Harm]:
    moved = _moved(result, base)
    usual = {endpoint for facts in base.tasks.values() for endpoint in facts.effects}
    for label, facts in result.tasks.items():
        before = base.tasks.get(label)
        if before is not None and moved:
            own = {endpoint: count for endpoint, count in facts.effects.items() if endpoint in moved}
            others = {endpoint: count for endpoint, count in before.effects.items() if endpoint not in moved}
            before = replace(before, effects={**others, **own})
        harm = _harm(label, facts, before, result, lasts_ns, usual)
        if harm is not None:
            yield harm
    missing = [label for label in base.tasks if label not in result.tasks]
    for label in missing if len(missing) > result.unsent else ():  # whoever would have sent it did not come to that
        yield _unsent(label, result, base)
    yield from _broken(result)


def _moved(result: TrialResult, base: TrialResult) -> set[str]:
    """The endpoints that some tasks call once instead of as many others, as where whoever is first does the work."""
    pairs = [(facts.effects, base.tasks[label].effects) for label, facts in result.tasks.items() if label in base.tasks]
    differ = {
        endpoint: sorted((now.get(endpoint, 0), before.get(endpoint, 0)) for now, before in pairs)
        for endpoint in {endpoint for effects in pairs for one in effects for endpoint in one}
    }
    return {
        endpoint
        for endpoint, counts in differ.items()
        if {pair for pair in counts if pair[0] != pair[1]} == {(0, 1), (1, 0)}
        and counts.count((0, 1)) == counts.count((1, 0))
    }


def _unsent(label: str, result: TrialResult, base: TrialResult) -> Harm:
    """Of a task that nobody has sent: lost, or late where whoever sends it has not ended."""
    before, detail = base.tasks[label], _never_sent(result, base)
    if detail.endswith(_NOT_ENDED) and result.stuck is None:
        late_ns = result.end_ns - (before.settled_ns or 0)
        return Harm(label=label, task=before.name, worst="late", late_ns=late_ns, detail=detail)
    return Harm(label=label, task=before.name, worst="lost", detail=detail)


def _never_sent(result: TrialResult, base: TrialResult) -> str:
    """Why nobody sent it: whoever would have is lost itself, fails, or has not ended, if one is."""
    lost = next((facts for facts in result.tasks.values() if facts.lost is not None), None)
    if lost is not None:
        return f"{NEVER_SENT}, for {lost.name.rpartition('.')[2]} is lost: {lost.lost}"
    failed = next((facts for label, facts in result.tasks.items() if _fails(facts, base.tasks.get(label))), None)
    if failed is not None:
        return f"{NEVER_SENT}, for {failed.name.rpartition('.')[2]} fails"
    waiting = next((facts for label, facts in result.tasks.items() if _waits(facts, base.tasks.get(label))), None)
    return NEVER_SENT if waiting is None else f"{NEVER_SENT}, for {waiting.name.rpartition('.')[2]} {_NOT_ENDED}"


def _waits(facts: TaskFacts, before: TaskFacts | None) -> bool:
    return facts.settled_ns is None and (before is None or before.settled_ns is not None)


def _fails(facts: TaskFacts, before: TaskFacts | None) -> bool:
    return facts.state in ("FAILURE", "REJECTED", "REVOKED") and (before is None or before.state != facts.state)


def _harm(
    label: str, facts: TaskFacts, before: TaskFacts | None, result: TrialResult, lasts_ns: int, usual: Collection[str]
) -> Harm | None:
    name = facts.name
    if _waits(facts, before):
        if result.stuck is not None:
            return Harm(label=label, task=name, worst="hangs", detail=result.stuck)
        if facts.lost is not None:
            return Harm(label=label, task=name, worst="lost", detail=facts.lost)
        late_ns = result.end_ns - (facts.sent_ns if before is None else before.settled_ns or 0)
        return Harm(label=label, task=name, worst="late", late_ns=late_ns, detail="it had not settled at the end")
    if _fails(facts, before):
        return Harm(label=label, task=name, worst="failed", detail=facts.failure or facts.state)
    return (
        _again(label, facts, before, usual) or _swallowed(label, facts, before) or _late(label, facts, before, lasts_ns)
    )


def _again(label: str, facts: TaskFacts, before: TaskFacts | None, usual: Collection[str]) -> Harm | None:
    """More effects than without a fault. Of a task that calls nobody, the only effect that shows is its end.

    A single call of an endpoint that is none of the ``usual`` ones repeats nothing: an alarm, or a fallback.
    """
    known: Mapping[str, int] = before.effects if before is not None else {}
    for endpoint, count in facts.effects.items():
        if count > known.get(endpoint, 0) and (count > 1 or endpoint in usual):
            times = count + (before is None and endpoint in usual)
            return Harm(label=label, task=facts.name, worst="twice", times=times, detail=endpoint)
    silent = before is not None and not before.effects and not facts.effects and before.silent
    if silent and before is not None and facts.successes > max(1, before.successes):
        return Harm(label=label, task=facts.name, worst="twice", times=facts.successes, detail="")
    return None


def _swallowed(label: str, facts: TaskFacts, before: TaskFacts | None) -> Harm | None:
    """It ends in SUCCESS, but what it is for was never done."""
    for endpoint, count in before.effects.items() if before is not None and facts.state == "SUCCESS" else ():
        if facts.effects.get(endpoint, 0) < count:
            detail = f"it ends in SUCCESS, though {endpoint} has not had its effect"
            return Harm(label=label, task=facts.name, worst="lost", detail=detail, endpoint=endpoint)
    return None


def _late(label: str, facts: TaskFacts, before: TaskFacts | None, lasts_ns: int) -> Harm | None:
    if before is None or before.settled_ns is None or facts.settled_ns is None:
        return None
    late_ns = facts.settled_ns - before.settled_ns
    if late_ns <= LATE_NS + lasts_ns:
        return None
    detail = "" if late_ns - (facts.sent_ns - before.sent_ns) > LATE_NS else _SENT_LATER
    return Harm(label=label, task=facts.name, worst="late", late_ns=late_ns, detail=detail)


def _broken(result: TrialResult) -> Iterator[Harm]:
    """What the scenario asks for itself, and does not hold."""
    for invariant, label, text in result.broken:
        name = invariant.partition("(")[0]
        facts = result.tasks.get(label or "")
        yield Harm(
            label=label or invariant,
            task=facts.name if facts else "",
            worst="twice" if name in ("effects_happen_once", "no_two_attempts_overlap") else "failed",
            detail=text,
            invariant=invariant,
        )
