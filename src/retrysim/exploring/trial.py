"""A trial: the decisions that are added to a scenario, and the outcome of one run with them. Both are plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from retrysim.durations import MINUTE, parse_duration

#: What each fault beside the first may delay a task, beside its own length: a retry's usual countdown.
EACH_MORE_NS = 5 * MINUTE
#: What the failure is of a task whose pool process was ended by a shutdown, or from afar.
TERMINATED = "terminated"
#: One decision: a fault, as a scenario file has it.
Decision = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One kind of fault at one point; a kind may need several decisions of a scenario file."""

    kind: str
    point: str  # how a person names the place: "push_contact#3, attempt 1, after POST /contacts"
    decisions: tuple[Decision, ...]
    #: what is alike for the tasks of one name: tried for the first of them before the second is
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A run to be made: the scenario with these strikes; ``changes`` replace keys of the scenario."""

    strikes: tuple[Strike, ...] = ()
    #: who goes first in which tie, as a scenario file has it
    order: tuple[Decision, ...] = ()
    #: draw the ties that are not named from this: a way to draw, and a seed
    draw: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: whether the scenario is played as it is written, with all that it expects
    as_written: bool = False
    #: whether the points that the run comes by are wanted
    wants_points: bool = False
    #: whether the trace is wanted, as text
    wants_trace: bool = False

    @property
    def kind(self) -> str:
        """The kind of fault, or the kinds of several joined by ``+``; empty for none."""
        return "+".join(sorted(strike.kind for strike in self.strikes))

    @property
    def size(self) -> tuple[int, int]:
        """How many faults and how many ties it decides."""
        return len(self.strikes), len(self.order)

    @property
    def lasts_ns(self) -> int:
        """How long the faults last themselves: a task that is later by that is not late."""
        own = sum(_lasts_ns(decision) for strike in self.strikes for decision in strike.decisions)
        return own + EACH_MORE_NS * max(0, len(self.strikes) - 1)

    @property
    def decisions(self) -> list[Decision]:
        """All decisions, each under a name of its own."""
        decided = [(strike.kind, decision) for strike in self.strikes for decision in strike.decisions]
        return [
            {"name": f"{kind} {number}" if len(decided) > 1 else kind, **decision}
            for number, (kind, decision) in enumerate(decided, start=1)
        ]


def _lasts_ns(decision: Decision) -> int:
    delay = decision.get("delay", {})
    lengths = (decision.get("for"), decision.get("grace"), delay.get("by"))
    return sum(parse_duration(length) for length in lengths if length is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """The outcome of one task; times are nanoseconds from the start of the run."""

    name: str
    state: str
    sent_ns: int
    settled_ns: int | None
    successes: int
    attempts: int
    effects: Mapping[str, int] = field(default_factory=dict)  # endpoint -> calls that had an effect
    silent: bool = True  # whether it called no API at all
    lost: str | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What one run left behind; ``error``: it could not be made, or broke off."""

    tasks: Mapping[str, TaskFacts] = field(default_factory=dict)  # label ("push_contact#3") -> facts
    stuck: str | None = None  # why the run could not go on: Deadlock, Runaway
    broken: Sequence[tuple[str, str | None, str]] = ()  # (invariant, label, text) of what the scenario asks beside
    unsent: int = 0  # submissions whose caller got an error of the broker
    unmet: str = ""  # what the scenario expects and did not get, if it was played as it is written
    unapplied: str | None = None  # a decision that found no place
    error: str | None = None
    states: frozenset[int] = frozenset()
    calls: int = 0
    end_ns: int = 0
    strikes_at: Sequence[int] = ()  # how many points had been passed when each fault struck
    order: Sequence[Decision] = ()  # the ties that were drawn, where not the first one went on
    ties: Sequence[tuple[int, int, Sequence[str]]] = ()  # every tie, if the trial drew
    points: Sequence[Mapping[str, Any]] = ()
    trace: str = ""
    digest: str = ""


def trial_from_dict(values: Mapping[str, Any]) -> Trial:
    """A trial that came as JSON."""
    strikes = tuple(Strike(**{**one, "decisions": tuple(one["decisions"])}) for one in values["strikes"])
    return Trial(**{**values, "strikes": strikes, "order": tuple(values["order"])})


def result_as_dict(result: TrialResult) -> dict[str, Any]:
    """A result as JSON carries it."""
    return {**asdict(result), "states": sorted(result.states)}


def result_from_dict(values: Mapping[str, Any]) -> TrialResult:
    """A result that came as JSON."""
    tasks = {label: TaskFacts(**facts) for label, facts in values["tasks"].items()}
    broken = [tuple(one) for one in values["broken"]]
    return TrialResult(**{**values, "tasks": tasks, "states": frozenset(values["states"]), "broken": broken})
