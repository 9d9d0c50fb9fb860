"""Judgements of a trace, each a sentence that must hold: ``every_task_settles``, ``retries_start_at_reset``, ..."""

from retrysim.invariants.attempts import effects_happen_once, no_two_attempts_overlap, nothing_runs_after_revoke
from retrysim.invariants.invariant import Invariant, Judgement, Problem, judge
from retrysim.invariants.limits import nobody_calls_while_limited, quota_is_respected, retries_start_at_reset
from retrysim.invariants.tasks import every_task_settles, no_task_fails, no_task_is_lost

#: What ``sim.check()`` judges when it is told nothing else.
DEFAULT: tuple[Invariant, ...] = (every_task_settles, no_task_is_lost, no_task_fails, quota_is_respected)

#: Every invariant by its name, as a scenario file writes it.
_ALL: tuple[Invariant, ...] = (
    *DEFAULT,
    retries_start_at_reset,
    nobody_calls_while_limited,
    effects_happen_once,
    no_two_attempts_overlap,
    nothing_runs_after_revoke,
)
BY_NAME: dict[str, Invariant] = {invariant.__name__: invariant for invariant in _ALL}

__all__ = [
    "BY_NAME",
    "DEFAULT",
    "Invariant",
    "Judgement",
    "Problem",
    "effects_happen_once",
    "every_task_settles",
    "judge",
    "no_task_fails",
    "no_task_is_lost",
    "no_two_attempts_overlap",
    "nobody_calls_while_limited",
    "nothing_runs_after_revoke",
    "quota_is_respected",
    "retries_start_at_reset",
]
