"""The audit of an app: how long an outage each task's retry policy outlives, and what happens after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

from retrysim.audit.broker_facts import broker_facts
from retrysim.audit.chain import Coverage
from retrysim.audit.finding import AuditFinding, FindingKind
from retrysim.audit.inspection import Inspection, inspect_task
from retrysim.audit.play import Playing, play
from retrysim.audit.processes import in_processes
from retrysim.audit.redelivery import RABBITMQS, play_trials
from retrysim.audit.redelivery_findings import redelivery_findings
from retrysim.audit.report import AppReport
from retrysim.audit.stage import own_tasks
from retrysim.audit.trial import Trial, trials_of
from retrysim.audit.unknown_names import unknown_in_configuration
from retrysim.celery.brokers import BrokerKind, known_kind
from retrysim.celery.imports import import_audited
from retrysim.errors import AppError
from retrysim.machine import cores
from retrysim.nearest import task_meant
from retrysim.rabbitmq import RabbitMQ
from retrysim.trace import is_named

#: How many attempts an audit plays in all: some 7 s of one core.
_ATTEMPTS = 8_000
_MOST_FOR_ONE_POLICY = 1_600
_POLICIES_IN_A_PART = 16


def audit(
    app: str,
    *,
    tasks: Sequence[str] = (),
    seed: int = 0,
    copies: int = 400,
    jobs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    broker: BrokerKind | None = None,
) -> AppReport:
    """Audit the app that ``celery -A`` would find; ``tasks`` are names, or ends of names, of those to look at.

    A policy that draws random numbers is played ``copies`` times at most, less often where there are many.
    ``jobs`` is how many processes play (by default one for each core); the figures do not depend on it. ``broker`` is
    the RabbitMQ that an app on RabbitMQ is played on (``"rabbitmq:4.0?consumer_timeout=2h"``), by default several
    versions.
    """
    servers = _servers(broker)
    found = import_audited(app)
    names = _chosen(found, app, tasks)
    inspections = [inspect_task(found, name) for name in names]
    played = _play_all(app, inspections, Playing(seed=seed, most_copies=copies), jobs or cores(), on_progress)
    facts = broker_facts(found)
    redelivered = (
        _play_redelivery(app, found, inspections, played, servers, jobs or cores()) if facts.kind == "amqp" else {}
    )
    return AppReport(
        app=app,
        seed=seed,
        tasks=tuple(
            inspection.report(played, facts, redelivered.get(inspection.name, ())) for inspection in inspections
        ),
        findings=tuple(_app_findings(found)),
        versions={name: version(name) for name in ("celery", "kombu", "retrysim")},
    )


def _chosen(app: Any, named: str, wanted: Sequence[str]) -> list[str]:
    own = list(own_tasks(app))
    if not own:
        raise AppError(f"the app {named!r} has no tasks: expected some besides Celery's own; is a module not imported?")
    for want in wanted:
        if not any(is_named(name, want) for name in own):
            raise AppError(f"the app {named!r} has no task {want!r}{task_meant(want, own)}")
    return [name for name in own if not wanted or any(is_named(name, want) for want in wanted)]


def _app_findings(app: Any) -> Iterator[AuditFinding]:
    for name, hint in unknown_in_configuration(app):
        yield AuditFinding(
            kind=FindingKind.UNKNOWN_NAME, text=f"app.conf: {name} is no setting of Celery, which never reads it{hint}"
        )


# -- playing, on all cores --------------------------------------------------------------------------------------------


def _play_all(
    app: str,
    inspections: list[Inspection],
    asked: Playing,
    jobs: int,
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, Coverage | str]:
    """What each policy covers, by its key: policies that are one are played once."""
    policies = [policy for inspection in inspections for policy in inspection.policies]
    firsts = list({policy.fingerprint: policy for policy in reversed(policies)}.values())[::-1]
    retrying = {inspection.name for inspection in inspections if inspection.way not in ("none", "unread")}
    shares = sum(policy.task in retrying for policy in firsts)
    playing = replace(asked, attempts=min(_MOST_FOR_ONE_POLICY, _ATTEMPTS // max(1, shares)))
    played: dict[str, Coverage | str] = {}
    for part in _play_in_parts(app, [(policy.task, policy.key) for policy in firsts], playing, jobs):
        played.update(part)
        if on_progress is not None:
            on_progress(len(played), len(firsts))
    by_fingerprint = {policy.fingerprint: played[policy.key] for policy in firsts}
    return {policy.key: by_fingerprint[policy.fingerprint] for policy in policies}


def _play_in_parts(
    app: str, wanted: list[tuple[str, str]], playing: Playing, jobs: int
) -> Iterator[dict[str, Coverage | str]]:
    """What was played, a few policies at a time: dealt out like cards, since neighbours are often alike."""
    parts = max(jobs, -(-len(wanted) // _POLICIES_IN_A_PART))
    dealt = [wanted[index::parts] for index in range(parts) if wanted[index::parts]]
    yield from in_processes(partial(_play_part, app, playing), dealt, jobs=jobs)


def _servers(broker: BrokerKind | None) -> Mapping[str, RabbitMQ]:
    """The RabbitMQ that was named, by its version; else those of several versions."""
    named = None if broker is None else known_kind(broker)
    return {named.version: named} if isinstance(named, RabbitMQ) else RABBITMQS


def _play_redelivery(
    app: str,
    found: Any,
    inspections: list[Inspection],
    played: Mapping[str, Coverage | str],
    servers: Mapping[str, RabbitMQ],
    jobs: int,
) -> dict[str, list[AuditFinding]]:
    """The findings on what RabbitMQ delivers again, by task. Trials that may be one are played in one process."""
    alike: dict[Trial, list[Trial]] = {}
    for trial in trials_of(found, inspections, played):
        alike.setdefault(replace(trial, task=""), []).append(trial)
    dealt = [[trial for group in list(alike.values())[index::jobs] for trial in group] for index in range(jobs)]
    findings: dict[str, list[AuditFinding]] = {}
    for part in in_processes(partial(play_trials, app, servers), [hand for hand in dealt if hand], jobs=jobs):
        for one in part:
            findings.setdefault(one.trial.task, []).extend(redelivery_findings(one))
    return findings


def _play_part(app: str, playing: Playing, wanted: list[tuple[str, str]]) -> dict[str, Coverage | str]:
    """Policies are functions, which do not travel: each process reads them from its own app."""
    found, keys = import_audited(app), {key for _, key in wanted}
    inspections = [inspect_task(found, name) for name in dict.fromkeys(task for task, _ in wanted)]
    return play(found, [policy for one in inspections for policy in one.policies if policy.key in keys], playing)
