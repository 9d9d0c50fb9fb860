"""What a retry policy implies: the instants between which the next attempt is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retrysim.durations import Duration, parse_duration
from retrysim.errors import InputError
from retrysim.trace import TaskHistory, TaskRetried

#: From a task and the number of its retry (from 0), the first and the last instant at which that may be due, or
#: ``None`` where the policy says nothing.
Policy = Callable[[TaskHistory, int], tuple[int, int] | None]


def constant(delay: Duration) -> Policy:
    """``countdown=delay``: so long after the attempt that failed."""
    delay_ns = parse_duration(delay)
    return lambda task, number: _after(task.retries[number], delay_ns, delay_ns)


def exponential(factor: Duration, maximum: Duration | None, jitter: bool) -> Policy:
    """Celery's backoff: ``factor * 2 ** retries`` up to the maximum; with jitter, anything from nothing to that."""
    factor_ns, maximum_ns = parse_duration(factor), None if maximum is None else parse_duration(maximum)

    def bounds(task: TaskHistory, number: int) -> tuple[int, int]:
        most_ns = factor_ns * 2**number
        most_ns = most_ns if maximum_ns is None else min(most_ns, maximum_ns)
        return _after(task.retries[number], 0 if jitter else most_ns, most_ns)

    return bounds


def advertised_by_the_api(task: TaskHistory, number: int) -> tuple[int, int] | None:
    """The reset or Retry-After of the answer that refused the attempt; nothing where no limit refused it."""
    retried = task.retries[number].attempt
    refused = [call for call in task.api_calls if call.decision == "limited" and call.attempt == retried]
    if not refused or refused[-1].retry_at_ns is None:
        return None
    opens_ns = refused[-1].retry_at_ns
    return opens_ns, max(opens_ns, refused[-1].told_ns or opens_ns)


def declared_by(task: Any) -> Policy | None:
    """What a Celery task's own options declare; ``None`` where its body calls ``retry()`` and says it there."""
    if not getattr(task, "autoretry_for", ()):
        return None
    if backoff := float(getattr(task, "retry_backoff", False)):
        maximum = int(getattr(task, "retry_backoff_max", 600))
        return exponential(int(max(1.0, backoff)), maximum, bool(getattr(task, "retry_jitter", True)))
    countdown = getattr(task, "retry_kwargs", {}).get("countdown", task.default_retry_delay)
    return constant(countdown)


def chosen(
    task: Any, *, countdown: Duration | None, backoff: Duration | None, maximum: Duration | None, jitter: bool, at: str
) -> Policy | None:
    """The one policy that the arguments give; raises ``InputError`` for two."""
    policies = []
    if countdown is not None:
        policies.append(constant(countdown))
    if backoff is not None:
        policies.append(exponential(backoff, maximum, jitter))
    if at not in ("", "reset"):
        raise InputError(f'at={at!r}: expected at="reset", the instant that the answer of the API names')
    if at:
        policies.append(advertised_by_the_api)
    if len(policies) > 1:
        raise InputError('retries follow one policy: give only one of countdown, backoff and at="reset"')
    return policies[0] if policies else None if task is None else declared_by(task)


def _after(retry: TaskRetried, least_ns: int, most_ns: int) -> tuple[int, int]:
    return retry.at_ns + least_ns, retry.at_ns + most_ns
