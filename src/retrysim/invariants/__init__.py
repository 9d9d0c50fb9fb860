"""Judgements of a trace, each a sentence that must hold: ``every_task_settles``, ``retries_start_at_reset``, ...

Each takes arguments (``quota_is_respected(fake="twitter")``), two are joined by ``&``, and one's own is a function from
a ``Trace`` to a ``Judgement``.
"""

from typing import Any

from retrysim.invariants.attempts import effects_happen_once, no_two_attempts_overlap, nothing_runs_after_revoke
from retrysim.invariants.effects import calls_have_effect_once, tasks_settle_within
from retrysim.invariants.invariant import Invariant, Judgement, Problem, judge
from retrysim.invariants.limits import nobody_calls_while_limited, quota_is_respected, retries_start_at_reset
from retrysim.invariants.queues import queues_drain
from retrysim.invariants.retries import retries_follow_policy, retry_counts_are_respected
from retrysim.invariants.sentence import ConfiguredInvariant, Joined, Sentence, base_name
from retrysim.invariants.tasks import every_task_settles, no_task_fails, no_task_is_lost

#: What ``sim.check()`` judges when it is told nothing else.
DEFAULT: tuple[Invariant, ...] = (every_task_settles, no_task_is_lost, no_task_fails, quota_is_respected)

#: Of these, what may have nothing to judge: a run without limited calls.
VACUOUS_IS_FINE = frozenset({"quota_is_respected"})

#: Every invariant by its name, as a scenario file writes it.
_ALL: tuple[Sentence[Any], ...] = (
    every_task_settles,
    no_task_is_lost,
    no_task_fails,
    quota_is_respected,
    retries_start_at_reset,
    retries_follow_policy,
    retry_counts_are_respected,
    nobody_calls_while_limited,
    queues_drain,
    effects_happen_once,
    calls_have_effect_once,
    tasks_settle_within,
    no_two_attempts_overlap,
    nothing_runs_after_revoke,
)
BY_NAME: dict[str, Sentence[Any]] = {invariant.__name__: invariant for invariant in _ALL}

__all__ = [
    "BY_NAME",
    "DEFAULT",
    "VACUOUS_IS_FINE",
    "ConfiguredInvariant",
    "Invariant",
    "Joined",
    "Judgement",
    "Problem",
    "Sentence",
    "base_name",
    "calls_have_effect_once",
    "effects_happen_once",
    "every_task_settles",
    "judge",
    "no_task_fails",
    "no_task_is_lost",
    "no_two_attempts_overlap",
    "nobody_calls_while_limited",
    "nothing_runs_after_revoke",
    "queues_drain",
    "quota_is_respected",
    "retries_follow_policy",
    "retries_start_at_reset",
    "retry_counts_are_respected",
    "tasks_settle_within",
]
