"""Judgements of a trace, each a sentence that must hold: ``every_task_settles``, ``retries_start_at_reset``, ..."""

from retrysim.invariants.invariant import Invariant, Judgement, Problem, judge
from retrysim.invariants.limits import nobody_calls_while_limited, quota_is_respected, retries_start_at_reset
from retrysim.invariants.tasks import every_task_settles, no_task_fails, no_task_is_lost

#: What ``sim.check()`` judges when it is told nothing else.
DEFAULT: tuple[Invariant, ...] = (every_task_settles, no_task_is_lost, no_task_fails, quota_is_respected)

#: Every invariant by its name, as a scenario file writes it.
_ALL: tuple[Invariant, ...] = (*DEFAULT, retries_start_at_reset, nobody_calls_while_limited)
BY_NAME: dict[str, Invariant] = {invariant.__name__: invariant for invariant in _ALL}

__all__ = [
    "BY_NAME",
    "DEFAULT",
    "Invariant",
    "Judgement",
    "Problem",
    "every_task_settles",
    "judge",
    "no_task_fails",
    "no_task_is_lost",
    "nobody_calls_while_limited",
    "quota_is_respected",
    "retries_start_at_reset",
]
