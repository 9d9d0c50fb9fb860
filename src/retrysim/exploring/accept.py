"""What a team accepts: harm that its scenario names, so that only what is new counts."""

from __future__ import annotations

from collections.abc import Sequence

from retrysim.exploring.outcome import Harm
from retrysim.scenarios.accept import Accepted
from retrysim.trace import is_named


def is_accepted(harm: Harm, kind: str, accepted: Sequence[Accepted]) -> bool:
    """Whether one entry names this harm to this task, under this kind of fault or any."""
    return any(
        one.harm == harm.worst
        and any(name == "*" or is_named(harm.task, name) for name in one.tasks)
        and (one.fault is None or kind in one.fault)
        for one in accepted
    )
