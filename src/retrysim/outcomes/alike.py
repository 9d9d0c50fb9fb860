"""Problems that are alike, as one: two hundred tasks with the same fate are named once and counted."""

from __future__ import annotations

import re
from collections.abc import Iterable

from retrysim.invariants.invariant import Problem

_TASK_ID = re.compile(r"\[[0-9a-f-]{8,36}\]")
_VARIABLE = re.compile(r"\d+(?:[:.]\d+)*")


def groups(problems: Iterable[Problem]) -> list[list[Problem]]:
    """The problems in groups that say the same of different tasks, instants and numbers; in their order."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(_VARIABLE.sub("N", _TASK_ID.sub("[ID]", problem.text)), []).append(problem)
    return list(found.values())
