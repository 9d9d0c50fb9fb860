"""Why a task came to harm: one sentence, the same for every run with the same cause, so that they are one finding."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrysim.durations import format_duration
from retrysim.exploring.outcome import Harm
from retrysim.exploring.surroundings import AppSettings, is_rabbitmq
from retrysim.exploring.trial import TERMINATED

#: Kinds after which a message that was not acked is delivered again.
_REDELIVER = (
    "worker_killed", "killed_before_call", "child_killed", "deploy", "soft_stop", "cold_stop", "connections_cut",
    "broker_restarted", "broker_lost_data", "partition", "connections_closed", "clock_skew",
)  # fmt: skip
_CALL_AGAIN = ("answer_lost", "api_slow", "api_5xx", "api_refused", "api_429")
_AT_WHAT_TIME = re.compile(r" at \d\d:\d\d(:\d\d)?(\.\d+)?\b")
_WHAT_VARIES = re.compile(
    r"\b\d\d:\d\d(:\d\d)?(\.\d+)?\b|\bworker-\d+\b|\battempt \d+\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){0,3}[^\s\]]*"
)


def cause_of(harm: Harm, kinds: Sequence[str], around: AppSettings) -> str:
    """The sentence; ``kinds`` are those of the trial that did the harm."""
    if harm.invariant:
        return f"{harm.invariant} does not hold"
    return {"lost": _lost, "failed": _failed, "twice": _twice, "late": _late, "hangs": _hangs}[harm.worst](
        harm, kinds, around
    )


def _lost(harm: Harm, kinds: Sequence[str], around: AppSettings) -> str:
    if harm.endpoint:
        return harm.detail
    late = around.acks_late.get(harm.task, False)
    if "nobody has its message any more" in harm.detail and not late:
        return "its message was acked when the task began (task_acks_late is off)"
    if "broker_restarted" in kinds and "not persistent" in harm.detail:
        return "its message is not persistent (task_default_delivery_mode), and a restart of RabbitMQ drops it"
    if "broker_lost_data" in kinds:
        return "only the broker has the message, and it loses its data"
    return _plain(harm.detail)


def _failed(harm: Harm, kinds: Sequence[str], around: AppSettings) -> str:
    kind_of_error = harm.detail.partition(":")[0]
    if kind_of_error == "WorkerLostError":
        return "Celery fails a task whose pool process dies (task_reject_on_worker_lost is off)"
    if kind_of_error == "Reject" and any(kind in _REDELIVER for kind in kinds) and "Error(" in harm.detail:
        return "the message of its retry cannot be published, and Celery rejects the task instead (Task.retry)"
    if harm.detail == TERMINATED:
        return "its pool process was terminated, and Celery takes the task for revoked"
    if harm.detail == "REVOKED":
        return "it had expired or was revoked before a worker could run it"
    if "results_refused" in kinds:
        return f"its result could not be stored: {kind_of_error}"
    return f"it raises {kind_of_error}, and gives up"


def _twice(harm: Harm, kinds: Sequence[str], around: AppSettings) -> str:
    if harm.detail and harm.times == 1:
        return f"{harm.detail} is called again, by another task"
    what = f"{harm.detail} is called again" if harm.detail else "its body runs to the end again"
    if "message_doubled" in kinds:
        return f"{what}, for nothing tells a second copy of the message from the first"
    if "clock_skew" in kinds and around.broker == "redis":
        return f"{what}: by another clock its message has been unacked for longer than the visibility timeout"
    if any(kind in _CALL_AGAIN for kind in kinds):
        return f"{what}, though the first call had its effect"
    if any(kind in _REDELIVER for kind in kinds) and around.acks_late.get(harm.task, False):
        return f"{what}: the message is acked when the task has ended (acks_late), so it is delivered again"
    return f"{what}: its message was delivered again"


def _late(harm: Harm, kinds: Sequence[str], around: AppSettings) -> str:
    if harm.detail:
        return harm.detail
    if "clock_skew" in kinds:
        return "its ETA was computed by one clock, and is obeyed by another"
    if (harm.late_ns or 0) >= around.patience_ns // 2 and any(kind in _REDELIVER for kind in kinds):
        timeout = "consumer" if is_rabbitmq(around.broker) else "visibility"
        return (
            f"its message was with a worker that is gone, and comes back only after the {timeout} timeout "
            f"({format_duration(around.patience_ns)})"
        )
    if "api_slow" in kinds:
        return "the client has no timeout (or a longer one than the answer takes)"
    return "what happened kept it waiting"


def _hangs(harm: Harm, kinds: Sequence[str], around: AppSettings) -> str:
    return _plain(harm.detail.splitlines()[0] if harm.detail else "it never ends")


def _plain(text: str) -> str:
    """Without what differs from run to run: times, numbers of attempts, ids, which worker."""
    text = _AT_WHAT_TIME.sub("", text)
    return " ".join(_WHAT_VARIES.sub(_any_of_them, text).split())


def _any_of_them(match: re.Match[str]) -> str:
    return {"worker": "a worker", "attempt": "an attempt"}.get(re.split(r"[- ]", match[0])[0], "...")
