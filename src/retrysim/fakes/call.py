"""What a fake remembers of one call: when, what, for whom, the answer, and where the limit stood. Never a secret."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

#: ``served``: it got through the limit (whatever the endpoint then answered); ``limited``: turned away by the limit;
#: ``refused``: turned away before it was counted (no route, no credentials, malformed); ``broken``: the server or
#: the network failed.
Verdict = Literal["served", "limited", "refused", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of one endpoint.

    ``endpoint`` is its name (``GET /1.1/statuses/user_timeline.json``), or method and path where no endpoint matched.
    ``bucket`` is what the limit is counted for (``/statuses/user_timeline``), ``partition`` an alias of whom it is
    counted for (``token-1``, in order of appearance); both are empty where nothing is counted. ``limit``,
    ``remaining`` and ``reset_ns`` are the limit's after the call, on the server's clock; ``None`` where nothing is
    counted. A connection that broke says in ``broken`` how; its status is what the client saw before, or 0.

    Only a limited call has these: ``retry_at_ns`` is the first instant, on the caller's clock, at which it would be
    served, ``None`` if nobody can tell; ``told_ns`` is the last instant that the answer names for coming again, on the
    server's clock and rounded as it is written, ``None`` if it names none. Who obeys comes between the two.

    In a simulation ``task_id`` and ``attempt`` (from 1) say which attempt of which task called; several calls of one
    attempt are retries inside a library. ``effect`` is the same for calls of which only the first has an effect.
    ``reason`` is for a log: why a call was refused, or limited on purpose.
    """

    at_ns: int
    fake: str
    endpoint: str
    status: int
    decision: Verdict
    bucket: str = ""
    partition: str = ""
    limit: int | None = None
    remaining: int | None = None
    reset_ns: int | None = None
    retry_at_ns: int | None = None
    told_ns: int | None = None
    broken: str | None = None
    task_id: str | None = None
    attempt: int | None = None
    effect: str | None = None
    reason: str = ""

    @property
    def answer(self) -> str:
        """The answer in one word: the status, or how the connection broke."""
        return self.broken or str(self.status)


def traced(call: Call) -> dict[str, Any]:
    """What a trace keeps of a call."""
    return {field.name: getattr(call, field.name) for field in fields(call) if field.name != "reason"}
