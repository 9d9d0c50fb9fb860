"""A line for a person on each call of a fake: when, what, the answer, and where the limit stood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from retrysim.clock import WallClock, to_datetime
from retrysim.durations import SECOND, format_duration
from retrysim.fakes.call import Call
from retrysim.fakes.fake import Fake
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.wire.served import Served


@contextmanager
def log_calls(fake: Served, say: Callable[[str], None]) -> Iterator[Served]:
    """Gives what is to be served so that every call is said; a fake knows why it answered so, a handler does not."""
    if not isinstance(fake, Fake):
        yield _Said(fake, say)
        return

    def observe(call: Call) -> None:
        say(describe(call))

    fake.observers.append(observe)
    try:
        yield fake
    finally:
        fake.observers.remove(observe)


def describe(call: Call) -> str:
    """``12:00:05 429 GET /1.1/a.json  token-1 has used up its 15 of /a: served again at 12:15:00, in 14m55s``."""
    line = f"{_clock(call.at_ns)} {call.answer} {call.endpoint}"
    reason = _reason(call)
    return f"{line}  {reason}" if reason else line


def summary(calls: Sequence[Call]) -> list[str]:
    """How many calls of each endpoint had each answer, and why those that were not served."""
    counts = Counter((call.endpoint, call.answer, _kind(call)) for call in calls)
    lines = (f"{count:6} x {answer} {endpoint}{kind}" for (endpoint, answer, kind), count in counts.items())
    return [f"{len(calls)} {'call' if len(calls) == 1 else 'calls'}", *lines]


def _kind(call: Call) -> str:
    if call.decision == "limited":
        return f"  {call.reason or 'limited'}"
    return f"  {_reason(call)}" if call.decision != "served" else ""


def _reason(call: Call) -> str:
    if call.decision == "limited":
        return _why_limited(call)
    if call.decision == "refused":
        return f"turned away before it was counted: {call.reason}"
    if call.decision == "broken":
        return "broken on purpose"
    if call.limit is None or call.reset_ns is None:
        return ""
    return f"{call.partition}: {call.remaining} of {call.limit} left until {_clock(call.reset_ns)}"


def _why_limited(call: Call) -> str:
    if call.reason:
        return f"{call.reason}: {call.partition} has {call.remaining} of {call.limit} left"
    used_up = f"{call.partition} has used up its {call.limit} of {call.bucket}"
    if call.retry_at_ns is None:
        return f"{used_up}: never served again"
    seconds = -((call.at_ns - call.retry_at_ns) // SECOND)
    return f"{used_up}: served again at {_clock(call.retry_at_ns)}, in {format_duration(seconds * SECOND)}"


def describe_connection(text: str) -> str:
    """``12:00:05 400 Bad Request: illegal request line``: what ended a connection outside of any call."""
    return f"{_clock(WallClock().now_ns())} {text}"


def _clock(ns: int) -> str:
    """The time of day in UTC."""
    return f"{to_datetime(ns):%H:%M:%S}"


@dataclass(frozen=True, slots=True)
class _Said:
    """A handler whose calls are said; the query is left out, because it may hold a token."""

    served: Served
    say: Callable[[str], None]

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self.served.hosts)

    def handle(self, request: Request) -> Response:
        response = self.served.handle(request)
        answer = response.broken.value if response.broken else response.status
        self.say(f"{_clock(WallClock().now_ns())} {answer} {request.method} {request.path}")
        return response
