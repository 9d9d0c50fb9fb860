"""One task under the audit: which policies it has, and the report once they were played."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from retrysim.audit.broker_facts import BrokerFacts
from retrysim.audit.chain import Coverage
from retrysim.audit.finding import AuditFinding, FindingKind
from retrysim.audit.findings import played_findings, settings_findings
from retrysim.audit.handwritten import RetryCall, retry_calls
from retrysim.audit.play import Policy
from retrysim.audit.report import PolicyRow, TaskReport
from retrysim.audit.settings import NO_SETTINGS, RetrySettings, read_settings
from retrysim.audit.stage import overridden
from retrysim.audit.stand_in import BodyReplaced, exception_for
from retrysim.audit.unknown_names import unknown_in_retry_kwargs, unknown_on_task

#: Of what a class may override and the audit leaves out, what can have a say in retries.
_AROUND = frozenset({"__call__", "apply_async"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is known of a task before anything was played."""

    name: str
    settings: RetrySettings
    calls: tuple[RetryCall, ...]
    findings: tuple[AuditFinding, ...]
    policies: tuple[Policy, ...]
    not_run: tuple[str, ...]

    @property
    def way(self) -> str:
        if self.settings is NO_SETTINGS:
            return "unread"
        if self.settings.is_automatic:
            return "automatic"
        return "by hand" if self.calls else "none"

    def report(
        self, played: Mapping[str, Coverage | str], broker: BrokerFacts, further: Iterable[AuditFinding] = ()
    ) -> TaskReport:
        """Its report, with ``further`` findings on it."""
        rows = tuple(self._row(policy, played[policy.key], broker) for policy in self.policies)
        first = rows[0].coverage if rows else None
        return TaskReport(
            name=self.name,
            way=self.way,
            rows=rows,
            findings=(*self.findings, *settings_findings(self.settings, first), *further),
            by_hand=self.calls,
            not_run=self.not_run,
        )

    def _row(self, policy: Policy, played: Coverage | str, broker: BrokerFacts) -> PolicyRow:
        if isinstance(played, str):
            text = f"could not be played: {played}"
            return PolicyRow(
                label=policy.key, coverage=None, findings=(AuditFinding(kind=FindingKind.NOT_PLAYED, text=text),)
            )
        findings = tuple(played_findings(played, self.settings, broker))
        return PolicyRow(label=policy.key, coverage=played, findings=findings)


def inspect_task(app: Any, name: str) -> Inspection:
    """Read a task: its settings, the calls of ``retry`` in its body, and the names that Celery does not know.

    What the project's own code raises meanwhile (a property, say) is a finding of this one task.
    """
    try:
        return _inspected(app, name)
    except Exception as error:
        text = f"could not be read: {type(error).__name__}: {error}"
        finding = AuditFinding(kind=FindingKind.NOT_PLAYED, text=text)
        return Inspection(name=name, settings=NO_SETTINGS, calls=(), findings=(finding,), policies=(), not_run=())


def _inspected(app: Any, name: str) -> Inspection:
    task = app.tasks[name]
    settings, calls = read_settings(task, app), retry_calls(task)
    error = exception_for(settings)
    return Inspection(
        name=name,
        settings=settings,
        calls=calls,
        findings=tuple(_findings(task, settings, calls, error)),
        policies=tuple(_policies(task, settings, calls, error)),
        not_run=overridden(task),
    )


def _policies(
    task: Any, settings: RetrySettings, calls: tuple[RetryCall, ...], error: type[BaseException] | None
) -> Iterator[Policy]:
    shared = (settings.schedule, repr(settings.expires), _retry_of(task))
    plain = list({call.source: call for call in calls if call.plain}.values())
    if error is not None and (settings.is_automatic or not calls):
        yield Policy(
            task=task.name,
            key=task.name,
            fingerprint=("automatic" if settings.is_automatic else "none", *shared),
            refuse=_raising(error),
            most_retries=settings.most_retries,
        )
    for call in plain:
        given = call.arguments(task).get("max_retries")  # Celery takes a None for "not given"
        most_retries = settings.max_retries if given is None else int(given)
        key = f"{task.name}:{call.place}"
        yield Policy(
            task=task.name,
            key=key,
            fingerprint=(key, *shared),
            refuse=_retrying(call),
            most_retries=most_retries,
        )


def _retry_of(task: Any) -> str:
    """Which class's ``retry`` it is that runs: a project may have its own."""
    owner = next(cls for cls in type(task).__mro__ if "retry" in vars(cls))
    return f"{owner.__module__}.{owner.__qualname__}"


def _raising(error: type[BaseException]) -> Callable[[Any], None]:
    def refuse(_task: Any) -> None:
        raise error()

    return refuse


def _retrying(call: RetryCall) -> Callable[[Any], None]:
    return lambda task: call.refuse(task, BodyReplaced)


def _findings(
    task: Any, settings: RetrySettings, calls: tuple[RetryCall, ...], error: type[BaseException] | None
) -> Iterator[AuditFinding]:
    for name, hint in unknown_on_task(task):
        yield AuditFinding(
            kind=FindingKind.UNKNOWN_NAME, text=f"{name} is no setting of Celery, which never reads it{hint}"
        )
    for name, hint in unknown_in_retry_kwargs(settings.retry_kwargs):
        yield AuditFinding(
            kind=FindingKind.UNKNOWN_NAME, text=f"retry_kwargs[{name!r}] is no argument of Task.retry{hint}"
        )
    if error is None:
        text = "dont_autoretry_for excepts all that autoretry_for names: it is never retried"
        yield AuditFinding(kind=FindingKind.NO_EFFECT, text=text)
    if around := [name for name in overridden(task) if name in _AROUND]:
        text = f"{' and '.join(around)} of its class did not run: what it may add to retries is not in these figures"
        yield AuditFinding(kind=FindingKind.LEFT_OUT, text=text)
    for call in calls:
        if not call.plain:
            text = f"`{call.source}` (line {call.place}) cannot be judged without its arguments: {call.why_not}"
            yield AuditFinding(kind=FindingKind.BY_HAND, text=text)
