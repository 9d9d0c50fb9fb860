"""When trouble comes, as people write it: ``"call 3"``, ``"every 10th call"``, ``"5% of calls"``, ``"from 1m to 2m"``.

An ending ``" of GET /path"`` means the calls of one endpoint only; then they are counted apart from all others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from retrysim.durations import parse_duration
from retrysim.errors import DurationError, FakeError

_EXPECTED = (
    'expected "always", "call 3", "calls 3-5", "every 10th call", "5% of calls" or "from 10m to 12m", '
    'and after it maybe "of GET /path"'
)
_ENDPOINT = re.compile(r"(.*?)\s+of\s+([A-Z]+ /\S*)")
_CALLS = re.compile(r"calls?\s+(\d+)(?:\s*-\s*(\d+))?")
_EVERY = re.compile(r"every\s+(\d+)(?:st|nd|rd|th)?\s+calls?")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%\s+of\s+calls")
_SPAN = re.compile(r"from\s+(.+?)\s+to\s+(.+)")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NthCall:
    """One call: its number (from 1), the nanoseconds since the first one, and a random word of its own."""

    number: int
    elapsed_ns: int
    word: int


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Holds for some calls: of one endpoint, or of all where ``endpoint`` is empty."""

    text: str
    endpoint: str
    holds: Callable[[NthCall], bool]


def parse_when(text: str) -> When:
    """Raises ``FakeError`` for a text that is none of the above."""
    if not isinstance(text, str):
        raise _unclear(text)
    match = _ENDPOINT.fullmatch(text.strip())
    calls, endpoint = match.groups() if match else (text.strip(), "")
    try:
        return When(text=text, endpoint=endpoint, holds=_condition(calls, text))
    except DurationError as error:
        raise FakeError(f"{text!r} does not say when: {error}") from error


def _condition(calls: str, text: str) -> Callable[[NthCall], bool]:
    if calls == "always":
        return lambda moment: True
    if match := _CALLS.fullmatch(calls):
        first, last = int(match[1]), int(match[2] or match[1])
        return lambda moment: first <= moment.number <= last
    if (match := _EVERY.fullmatch(calls)) and int(match[1]):
        step = int(match[1])
        return lambda moment: moment.number % step == 0
    if match := _SHARE.fullmatch(calls):
        share = int(Decimal(match[1]) * (_MILLION // 100))
        return lambda moment: moment.word % _MILLION < share
    if match := _SPAN.fullmatch(calls):
        begin_ns, end_ns = parse_duration(match[1]), parse_duration(match[2])
        return lambda moment: begin_ns <= moment.elapsed_ns < end_ns
    raise _unclear(text)


def _unclear(text: object) -> FakeError:
    return FakeError(f"{text!r} does not say when: {_EXPECTED}")
