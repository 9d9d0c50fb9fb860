"""The findings on one task: from what was played, and from what its author wrote. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator

from retrysim.audit.broker_facts import BrokerFacts
from retrysim.audit.chain import WINDOWS_NS, Coverage, Spread
from retrysim.audit.finding import AuditFinding, FindingKind
from retrysim.audit.settings import RetrySettings
from retrysim.durations import MILLISECOND, MINUTE, SECOND, format_duration

_WORDS = {1: "once", 2: "twice"}


def played_findings(coverage: Coverage, settings: RetrySettings, broker: BrokerFacts) -> Iterator[AuditFinding]:
    """What follows from the attempts that Celery made."""
    yield _lost(coverage)
    for edge_ns in coverage.edges_ns():
        yield AuditFinding(kind=FindingKind.EDGE, text=_EDGE.format(window=format_duration(edge_ns)))
    if coverage.endless and coverage.span.is_one:
        yield AuditFinding(kind=FindingKind.HERD, text=_HERD.format(delay=shown(coverage.longest_delay_ns)))
    yield from _broker(coverage.longest_delay_ns, broker)
    if "REVOKED" in coverage.states:
        yield AuditFinding(kind=FindingKind.EXPIRES, text=_EXPIRES.format(expires=settings.expires))
    if settings.time_limit and coverage.retries_at_all:
        yield AuditFinding(kind=FindingKind.TIME_LIMIT, text=_time_limit(settings))


_EDGE = (
    "the last try falls exactly on the end of a window of {window}: it is served if the API is not a moment late, "
    "and refused if it is"
)
_HERD = "every refused copy comes back in the same instant, every {delay}, and never gives up"
_EXPIRES = "expires={expires} is not renewed by a retry: the message expires while it waits, and ends as REVOKED"


def _lost(coverage: Coverage) -> AuditFinding:
    if coverage.endless:
        return AuditFinding(
            kind=FindingKind.LOST, text="retries without end: no outage is too long for it, none ends in FAILURE"
        )
    end = " or ".join(coverage.states)
    if not coverage.retries_at_all:
        return AuditFinding(kind=FindingKind.LOST, text=f"not retried: the first error ends it in {end}")
    retries, span = _retries(coverage.retries), span_text(coverage.span)
    text = f"retries {retries} within {span}, then ends in {end}: {_losses(coverage)}"
    return AuditFinding(kind=FindingKind.LOST, text=text)


def _losses(coverage: Coverage) -> str:
    """The longest window in which nothing is lost, the first in which something is, the first in which all is."""
    lost = {ns: coverage.lost(ns) for ns in WINDOWS_NS}
    outlived = [ns for ns, share in lost.items() if share == 0]
    some = next((ns for ns, share in lost.items() if 0 < share < 1), None)
    every = next((ns for ns, share in lost.items() if share == 1), None)
    parts = [f"a window of {format_duration(outlived[-1])} is outlived"] if outlived else []
    if some is not None:
        parts.append(f"a window of {format_duration(some)} costs {percent(lost[some])} of the tasks")
    if every is not None:
        parts.append(f"a window of {format_duration(every)} costs every task")
    return ", ".join([*parts[:1], *(part.replace("a window", "one", 1) for part in parts[1:])])


def _broker(delay_ns: int, broker: BrokerFacts) -> Iterator[AuditFinding]:
    delay = shown(delay_ns)
    if broker.visibility_ns is not None and delay_ns > broker.visibility_ns:
        default = f"{broker.kind}'s default" if broker.is_default else "broker_transport_options"
        timeout = f"the visibility timeout of {format_duration(broker.visibility_ns)} ({default})"
        after = "the waiting message is delivered again, and the task runs more than once"
        text = f"a delay of {delay} passes {timeout}: {after}"
        yield AuditFinding(kind=FindingKind.VISIBILITY, text=text)


def _time_limit(settings: RetrySettings) -> str:
    limit = format_duration(int(float(settings.time_limit or 0) * SECOND))
    text = f"a body that runs into time_limit={limit} is killed from outside: autoretry_for does not see it"
    if not settings.soft_time_limit:
        return f"{text}; a soft_time_limit raises inside the body"
    return text


def settings_findings(settings: RetrySettings, coverage: Coverage | None) -> Iterator[AuditFinding]:
    """Settings that Celery reads and that change nothing (``celery/app/autoretry.py``)."""
    yield from (AuditFinding(kind=FindingKind.NO_EFFECT, text=text) for text in _without_effect(settings))
    if settings.is_automatic and settings.backoff and coverage is not None:
        yield from _clipped(settings, coverage)


def _without_effect(settings: RetrySettings) -> Iterator[str]:
    backoff_names = sorted(settings.given & {"retry_backoff", "retry_backoff_max", "retry_jitter", "retry_kwargs"})
    if not settings.is_automatic:
        if backoff_names:
            yield f"{words_and(backoff_names)} without autoretry_for: Celery reads them for automatic retries only"
        return
    if settings.backoff:
        yield from _overruled_by_backoff(settings)
    else:
        names = sorted(settings.given & {"retry_backoff_max", "retry_jitter"})
        if names:
            yield f"{words_and(names)} without retry_backoff: the delay is fixed"
    yield from _overruled_most(settings)


def _overruled_by_backoff(settings: RetrySettings) -> Iterator[str]:
    for name in ("countdown", "eta"):
        if name in settings.retry_kwargs:
            yield f"retry_kwargs[{name!r}] under retry_backoff: the backoff decides"
    if "default_retry_delay" in settings.given:
        yield f"default_retry_delay={settings.default_retry_delay} under retry_backoff: the backoff decides"
    if settings.backoff != settings.factor:
        yield f"retry_backoff={settings.backoff:g} counts as {settings.factor}: Celery takes whole numbers, at least 1"


def _overruled_most(settings: RetrySettings) -> Iterator[str]:
    if "max_retries" not in settings.retry_kwargs:
        return
    given = settings.retry_kwargs["max_retries"]
    if given is None:
        yield f"retry_kwargs['max_retries']=None says nothing: the task's max_retries={settings.max_retries} counts"
    elif "max_retries" in settings.given and given != settings.max_retries:
        yield f"max_retries={settings.max_retries} on the task: retry_kwargs['max_retries']={given} counts"


def _clipped(settings: RetrySettings, coverage: Coverage) -> Iterator[AuditFinding]:
    """A backoff is clipped from the first retry whose delay would be longer than its maximum."""
    retries = coverage.retries.most
    clipped = [number for number in range(retries) if settings.factor * 2**number > settings.backoff_max]
    if not clipped:
        return
    origin = "" if "retry_backoff_max" in settings.given else ", Celery's default"
    most = format_duration(settings.backoff_max * SECOND)
    text = (
        f"retry_backoff_max={settings.backoff_max}{origin}: from retry {clipped[0] + 1} on the backoff stays at {most}"
    )
    yield AuditFinding(kind=FindingKind.CLIPPED, text=text)


def percent(share: float) -> str:
    """``3%``; what is more than nothing and less than all is never rounded to it."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def span_text(span: Spread) -> str:
    """``3m``, or ``0s to 7s (median 3s)``."""
    if span.is_one:
        return shown(span.least)
    return f"{shown(span.least)} to {shown(span.most)} (median {shown(span.median)})"


def shown(ns: int) -> str:
    """A duration for a person: to the second above a minute, to the millisecond below."""
    step = SECOND if ns >= MINUTE else MILLISECOND
    return format_duration((ns + step // 2) // step * step)


def times(number: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return _WORDS.get(number, f"{number} times")


def _retries(retries: Spread) -> str:
    return times(retries.least) if retries.is_one else f"{retries.least} to {retries.most} times"


def words_and(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
