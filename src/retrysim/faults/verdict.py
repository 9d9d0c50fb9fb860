"""Verdicts: what is to become of a message that is being published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """It goes where it was sent."""

    verb = "deliver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """It is lost on the way; its publisher does not know."""

    verb = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """It arrives more than once, as when a publisher sends again what it got no answer to."""

    verb = "duplicate"
    copies: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """It arrives later."""

    verb = "delay"
    by_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Publishing it fails with a connection error, which Celery's own retry policy answers."""

    verb = "fail"


Verdict = Deliver | Drop | Duplicate | Delay | Fail

DELIVER = Deliver()
