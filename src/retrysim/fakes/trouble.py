"""What can go wrong between a client and an API that is otherwise well: kinds of trouble, and what each does.

All of it is off unless asked for: ``trouble={"reset": "call 3", "over_capacity": ["calls 5-7", "1% of calls"]}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from retrysim.errors import FakeError
from retrysim.fakes.response import Break, Response
from retrysim.fakes.when import When, parse_when
from retrysim.nearest import did_you_mean

#: Kinds of trouble, each with when it comes.
Troubles = Mapping[str, str | Sequence[str]]


class FailureMode(Enum):
    """What goes wrong.

    The first six come before the API has done anything: nothing happens and nothing is counted. The others come
    after: the call has had its effect, and it counts.
    """

    REFUSED = "refused"  # nobody listens
    RESET = "reset"  # the connection is reset before the request is read
    SILENCE = "silence"  # the request is never answered, and has no effect
    OVER_CAPACITY = "over_capacity"  # the vendor's 503
    INTERNAL_ERROR = "internal_error"  # the vendor's 500
    RATE_LIMITED = "rate_limited"  # turned away although something remains: a limit that no header shows
    ANSWER_LOST = "answer_lost"  # the connection is reset before the answer
    TRUNCATED = "truncated"  # the answer ends early, and with it the connection
    MALFORMED = "malformed"  # the answer ends early, as if that were all
    HEADERS_MISSING = "headers_missing"  # no rate limit headers
    HEADERS_WRONG = "headers_wrong"  # -1 in every rate limit header


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    kind: FailureMode
    when: When


#: How the connection breaks before anything is done.
BREAKS_BEFORE: Mapping[FailureMode, Break] = MappingProxyType(
    {FailureMode.REFUSED: Break.REFUSED, FailureMode.RESET: Break.RESET, FailureMode.SILENCE: Break.SILENCE}
)
#: What the server answers instead.
FAILS_WITH: Mapping[FailureMode, int] = MappingProxyType(
    {FailureMode.OVER_CAPACITY: 503, FailureMode.INTERNAL_ERROR: 500}
)

_LIMIT_HEADER = re.compile(r"rate-?limit|retry-after|call-limit", re.IGNORECASE)


def parse_troubles(troubles: Troubles | None) -> tuple[Trouble, ...]:
    """Raises ``FakeError`` for an unknown kind, and for a text that does not say when."""
    return tuple(_troubles(troubles or {}))


def _troubles(troubles: Troubles) -> Iterator[Trouble]:
    known = [kind.value for kind in FailureMode]
    if not isinstance(troubles, Mapping):
        raise FakeError(f'trouble={troubles!r}: expected what happens and when, such as {{"reset": "call 3"}}')
    for name, times in troubles.items():
        if name not in known:
            raise FakeError(f"no trouble {name!r}{did_you_mean(name, known)} (there are {', '.join(known)})")
        for text in [times] if isinstance(times, str) else times:
            yield Trouble(kind=FailureMode(name), when=parse_when(text))


def spoil(response: Response, kind: FailureMode) -> Response:
    """An answer after trouble that comes when all is done."""
    if kind is FailureMode.ANSWER_LOST:
        return Response(status=0, broken=Break.RESET)
    if kind is FailureMode.TRUNCATED:
        return replace(response, broken=Break.TRUNCATED)
    if kind is FailureMode.MALFORMED:
        half = response.body[: len(response.body) // 2]
        return replace(response, body=half, headers=_with_length(response.headers, len(half)))
    if kind is FailureMode.HEADERS_MISSING:
        return replace(response, headers=tuple(h for h in response.headers if not _LIMIT_HEADER.search(h[0])))
    if kind is FailureMode.HEADERS_WRONG:
        wrong = ((name, "-1" if _LIMIT_HEADER.search(name) else value) for name, value in response.headers)
        return replace(response, headers=tuple(wrong))
    return response


def _with_length(headers: tuple[tuple[str, str], ...], length: int) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(length) if name.lower() == "content-length" else value) for name, value in headers)
