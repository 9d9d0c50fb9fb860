"""The kinds of fault: what each does at a point, written as a scenario file has it, and where it cannot strike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retrysim.durations import MINUTE, SECOND, format_duration
from retrysim.exploring.points import Point
from retrysim.exploring.surroundings import AppSettings, is_rabbitmq
from retrysim.exploring.trial import Strike

Decisions = Iterator[dict[str, Any] | tuple[dict[str, Any], ...]]
#: The decisions of a kind at a point, one strike for each, or for several together; none where it cannot strike.
At = Callable[[Point, AppSettings], Decisions]
#: How long a supervisor takes to start a worker anew, and a broker to come back.
_RESTART, _BROKER_DOWN = "10s", "5s"
#: Longer than any client's timeout.
_SLOW_ANSWER = "10m"
#: A clock that nobody sets.
_SKEW = "10m"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault. ``label`` is what a person reads, ``needs`` why it may be left out.

    ``before`` is for one that strikes before the call of its point has had an effect.
    """

    name: str
    label: str
    at: At
    needs: Callable[[AppSettings], str | None] = lambda _around: None
    before: bool = False

    def place(self, point: Point) -> str:
        """How a person names the place where it strikes."""
        return point.name.replace(f"after {point.endpoint}", f"before {point.endpoint}") if self.before else point.name


def _worker(verb: str, **more: Any) -> At:
    def at(point: Point, around: AppSettings) -> Decisions:
        if point.worker is not None:
            yield {verb: point.worker, "when": point.when, **more}

    return at


def _child(point: Point, around: AppSettings) -> Decisions:
    if point.running and point.worker is not None and around.pools.get(point.worker) == "prefork":
        yield {"kill_child": point.worker, "when": point.when}


def _killed_before_call(point: Point, around: AppSettings) -> Decisions:
    """A worker dies when what it sends has not reached the API: after what its body did before the call."""
    if point.event == "api-called" and point.worker is not None:
        kill = {"kill": point.worker, "when": point.when, "for": _RESTART}
        yield {"trouble": _trouble(point, "silence")}, kill


def _world(decision: Mapping[str, Any]) -> At:
    def at(point: Point, around: AppSettings) -> Decisions:
        yield {**decision, "when": point.when}

    return at


def _partition(point: Point, around: AppSettings) -> Decisions:
    if point.worker is None:
        return
    for length_ns in (10 * SECOND, around.patience_ns + 10 * MINUTE):
        yield {"partition": point.worker, "when": point.when, "for": format_duration(length_ns)}


def _skewed(point: Point, around: AppSettings) -> Decisions:
    """Where a clock can matter: before a message of somebody else's is received, and before a body runs.

    Of what follows, two of the points would only show the same; and of a message that a worker sends to itself, its
    clock would have to be set while that is under way.
    """
    if point.event != "task-started" and not (point.event == "task-sent" and not point.retries):
        return
    for worker in around.pools:
        for by in _skews(around):
            yield {"skew_clock": worker, "by": by, "when": point.when}


def _skews(around: AppSettings) -> Iterator[str]:
    """Ahead and behind; on Redis, whose clients tell by their own clocks how long a message is unacked, beyond that."""
    yield from (_SKEW, f"-{_SKEW}")
    if around.broker == "redis":
        yield format_duration(around.patience_ns + 10 * MINUTE)


def _message(verb: str, **more: Any) -> At:
    def at(point: Point, around: AppSettings) -> Decisions:
        if point.event == "task-sent":
            short = point.task
            yield {verb: {"task": short, "retries": point.retries, **_nth(point.nth_message), **more}}

    return at


def _call(kind: str, **more: Any) -> At:
    def at(point: Point, around: AppSettings) -> Decisions:
        if point.event == "api-called" and (kind != "rate_limited" or point.limited):
            yield {"trouble": {**_trouble(point, kind), **more}}

    return at


def _trouble(point: Point, kind: str) -> dict[str, Any]:
    """The trouble of a kind for the call of a point."""
    attempt = {"attempt": point.attempt} if point.attempt else {}
    return {"kind": kind, "task": point.label, "endpoint": point.endpoint, **_nth(point.nth_call), **attempt}


def _nth(number: int) -> dict[str, int]:
    return {"nth": number} if number > 1 else {}


def _a_server(around: AppSettings) -> str | None:
    return None if around.has_server else "needs a broker that is a server: write broker: redis"


def _rabbitmq(around: AppSettings) -> str | None:
    return None if is_rabbitmq(around.broker) else "needs RabbitMQ: write broker: rabbitmq"


def _soft(around: AppSettings) -> str | None:
    return None if around.soft_shutdown else "the app sets no worker_soft_shutdown_timeout"


KINDS: Mapping[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind("worker_killed", "worker killed (OOM, node lost)", _worker("kill", **{"for": _RESTART})),
        FaultKind("killed_before_call", "worker killed before a call arrives", _killed_before_call, before=True),
        FaultKind("child_killed", "pool process killed", _child),
        FaultKind("deploy", "deploy (SIGTERM, then SIGKILL 30s)", _worker("deploy")),
        FaultKind("soft_stop", "soft shutdown", _worker("soft_stop", **{"for": "1s"}), _soft),
        FaultKind("cold_stop", "cold shutdown", _worker("quit", **{"for": "1s"})),
        FaultKind("connections_cut", "connections cut", _worker("cut_connections"), _a_server),
        FaultKind(
            "broker_restarted", "broker restarted", _world({"restart": "broker", "for": _BROKER_DOWN}), _a_server
        ),
        FaultKind(
            "broker_lost_data",
            "broker restarted without its data",
            _world({"restart": "broker", "for": _BROKER_DOWN, "lose_data": True}),
            _a_server,
        ),
        FaultKind("partition", "worker cut off (10s, too long)", _partition, _a_server),
        FaultKind("connections_closed", "RabbitMQ closes connections (320)", _worker("close_connections"), _rabbitmq),
        FaultKind(
            "alarm", "RabbitMQ blocks publishers for 1m", _world({"raise_alarm": "broker", "for": "1m"}), _rabbitmq
        ),
        FaultKind("clock_skew", "a clock ahead or behind (10m, too far)", _skewed),
        FaultKind("message_delayed", "a message delayed 10m", _message("delay", by="10m")),
        FaultKind("message_doubled", "a message duplicated", _message("duplicate")),
        FaultKind("results_slow", "results slow (10s) for 1m", _world({"slow_results": "10s", "for": "1m"})),
        FaultKind("results_refused", "results refused for 30s", _world({"stop": "results", "for": "30s"})),
        FaultKind("answer_lost", "the API's answer lost", _call("answer_lost")),
        FaultKind("api_refused", "the API refuses the connection", _call("refused")),
        FaultKind("api_5xx", "the API answers 500", _call("internal_error")),
        FaultKind("api_429", "the API answers 429 out of turn", _call("rate_limited")),
        FaultKind("api_slow", "the API answers after 10m", _call("slow", by=_SLOW_ANSWER)),
    )
}

#: Kinds that strike one message or one call: their points are those of the task itself.
OWN = ("message_delayed", "message_doubled", "answer_lost", "api_refused", "api_5xx", "api_429", "api_slow")


def left_out(around: AppSettings, kinds: Sequence[FaultKind]) -> dict[str, str]:
    """The kinds that cannot be tried here, each with the reason."""
    reasons = {kind.name: kind.needs(around) for kind in kinds}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def strikes_at(point: Point, around: AppSettings, kinds: Sequence[FaultKind]) -> list[Strike]:
    """Every strike at a point, in the order of the kinds."""
    return [
        Strike(
            kind=kind.name,
            point=kind.place(point),
            decisions=decided if isinstance(decided, tuple) else (decided,),
            group=f"{kind.name}/{number}/{point.group}",
        )
        for kind in kinds
        if kind.needs(around) is None
        for number, decided in enumerate(kind.at(point, around))
    ]
