"""The findings on a task in an app on RabbitMQ: from the trials that were played. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator

from retrysim.audit.finding import AuditFinding, FindingKind
from retrysim.audit.findings import shown, times, words_and
from retrysim.audit.trial import Outcome, PlayedTrial, Trial, TrialKind


def redelivery_findings(played: PlayedTrial) -> Iterator[AuditFinding]:
    """What goes wrong in a trial, once for all versions of RabbitMQ that do the same."""
    versions: dict[Outcome | str, list[str]] = {}
    for version, outcome in played.outcomes.items():
        versions.setdefault(outcome, []).append(version)
    for outcome, names in versions.items():
        yield from _finding(played.trial, outcome, f"RabbitMQ {words_and(names)}")


def _finding(trial: Trial, outcome: Outcome | str, servers: str) -> Iterator[AuditFinding]:
    if isinstance(outcome, str):
        reason = outcome.partition("\n")[0]
        yield AuditFinding(kind=FindingKind.NOT_PLAYED, text=f"could not be played on {servers}: {reason}")
        return
    match trial.kind:
        case TrialKind.WAIT if outcome.ends_ns or outcome.lost or len(outcome.starts_ns) > 2:
            yield AuditFinding(kind=FindingKind.CONSUMER_TIMEOUT, text=_wait(trial, outcome, servers))
        case TrialKind.BODY if outcome.ends_ns or outcome.lost or len(outcome.starts_ns) > 1:
            yield AuditFinding(kind=FindingKind.CONSUMER_TIMEOUT, text=_body(trial, outcome, servers))
        case TrialKind.CRASH if outcome.lost:
            yield AuditFinding(kind=FindingKind.DELIVERY_LIMIT, text=_crash(outcome, servers))


def _wait(trial: Trial, outcome: Outcome, servers: str) -> str:
    delay, queue = shown(trial.takes_ns), repr(outcome.queue)
    passes = f"a delay of {delay} passes the consumer_timeout of {servers}"
    remedy = f"raise consumer_timeout above {delay}, or retry in shorter steps"
    if outcome.lost:
        return f"{passes}: the message goes back to queue {queue} until it is dropped, and the retry is lost; {remedy}"
    if not outcome.ends_ns:
        runs = times(len(outcome.starts_ns) - 1)
        return f"{passes}: the waiting message goes back to queue {queue}, and the retry runs {runs}; {remedy}"
    end = f"the worker that holds it ends after {shown(outcome.ends_ns[0])}"
    if len(outcome.starts_ns) == 1:
        after = f"so does each worker after it, and the retry has not started after {len(outcome.ends_ns)} of them"
    else:
        after = f"the retry starts only if it is restarted {times(len(outcome.ends_ns))}"
    return f"{passes}: {end}, and {after}; {remedy}"


def _body(trial: Trial, outcome: Outcome, servers: str) -> str:
    passes = (
        f"with acks_late, a body that takes {shown(trial.takes_ns)}, as its time limit allows, passes the "
        f"consumer_timeout of {servers}"
    )
    back = f"the message goes back to queue {outcome.queue!r}"
    again = f", first after {shown(outcome.starts_ns[1])}" if len(outcome.starts_ns) > 1 else ""
    if outcome.ends_ns:
        after = f"{back}, the worker ends when the body does, and the body runs again after each restart{again}"
    else:
        after = f"{back} while the body runs, and the body runs again each time{again}"
    if outcome.lost:
        after += ", until the message is dropped"
    return f"{passes}: {after}; set a time limit below consumer_timeout, raise it, or ack early"


def _crash(outcome: Outcome, servers: str) -> str:
    return (
        f"with reject_on_worker_lost, a task whose pool process dies each time is lost on {servers}: the quorum queue "
        f"{outcome.queue!r} drops its message after {len(outcome.starts_ns)} attempts, and no state or log of "
        "Celery says so; give the queue an x-dead-letter-exchange, or fail if self.request.delivery_info['redelivered']"
    )
