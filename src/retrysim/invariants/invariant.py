"""The protocol of an invariant: a pure function from a trace to what it judged and what was wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from retrysim.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. ``text`` is a sentence that names the task; ``task_id`` lets others find it."""

    text: str
    task_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an invariant says: of how many things (tasks, calls, retries), and which of them are wrong."""

    judged: int
    of: str
    problems: tuple[Problem, ...] = ()


class Invariant(Protocol):
    """A judgement of a trace, named by what must hold."""

    __name__: str

    def __call__(self, trace: Trace, /) -> Judgement: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenInvariant:
    """One invariant that does not hold, with all its problems; ``judged`` of how many things (``of``) it is said."""

    invariant: str
    problems: tuple[Problem, ...] = field(default=())
    judged: int = 0
    of: str = ""


def judge(
    trace: Trace, invariants: Iterable[Invariant], *, vacuous_is_fine: frozenset[str] = frozenset()
) -> list[BrokenInvariant]:
    """The invariants that do not hold; one that had nothing to judge is among them, unless that is fine."""
    findings = []
    for invariant in invariants:
        judgement = invariant(trace)
        if judgement.problems:
            findings.append(
                BrokenInvariant(
                    invariant=invariant.__name__,
                    problems=judgement.problems,
                    judged=judgement.judged,
                    of=judgement.of,
                )
            )
        elif not judgement.judged and invariant.__name__ not in vacuous_is_fine:
            text = f"vacuous: the run had no {judgement.of} to judge, so this says nothing"
            findings.append(BrokenInvariant(invariant=invariant.__name__, problems=(Problem(text=text),)))
    return findings
