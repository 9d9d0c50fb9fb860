"""The headers of Twitter's answers, all names in lower case, as recorded from API v1.1 between 2019 and 2020."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from retrysim.durations import SECOND
from retrysim.fakes.dates import http_date
from retrysim.fakes.reply import Reply
from retrysim.fakes.seeded import draw, hex_word
from retrysim.fakes.vendor import Count
from retrysim.ratelimit.limiter import Decision

Headers = tuple[tuple[str, str], ...]


def whole_seconds(at_ns: int) -> int:
    """Epoch seconds, rounded up: who comes back then never comes too early."""
    return -(-at_ns // SECOND)


def told_ns(counts: Sequence[Count]) -> int | None:
    """The last of the resets that the headers tell."""
    return max((whole_seconds(count.decision.reset_ns) * SECOND for count in counts), default=None)


def limit_headers(decision: Decision, group: str) -> Headers:
    """Limit, remaining and reset; the reset is a whole epoch second on the server's clock."""
    return (
        (f"{group}-limit", str(decision.limit)),
        (f"{group}-remaining", str(decision.remaining)),
        (f"{group}-reset", str(whole_seconds(decision.reset_ns))),
    )


def answer_headers(reply: Reply, now_ns: int, *, number: int, access_level: str | None) -> Headers:
    """The headers around the limit's; those that differ from answer to answer are drawn from its number."""
    date = http_date(now_ns)
    return (
        ("status", f"{reply.status} {HTTPStatus(reply.status).phrase}"),
        ("date", date),
        ("content-type", reply.content_type),
        ("content-length", str(len(reply.body))),
        *((("content-disposition", "attachment; filename=json.json"),) if reply.status == 200 else ()),
        ("cache-control", "no-cache, no-store, must-revalidate, pre-check=0, post-check=0"),
        ("expires", "Tue, 31 Mar 1981 05:00:00 GMT"),
        ("pragma", "no-cache"),
        ("last-modified", date),
        ("server", "tsa_b"),
        ("strict-transport-security", "max-age=631138519"),
        *((("x-access-level", access_level),) if access_level else ()),
        ("x-connection-hash", hex_word(32, "connection", number)),
        ("x-transaction", hex_word(16, "transaction", number)),
        ("x-response-time", str(10 + draw("response time", number) % 90)),
        ("x-twitter-response-tags", "BouncerCompliant"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-xss-protection", "0"),
        ("x-content-type-options", "nosniff"),
    )
