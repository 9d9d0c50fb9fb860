"""Penalties for calls made while limited: the block grows longer, the wait grows, or the client is banned.

The mildest, none at all, is a limiter without ``Penalised``; that a refused call counts is ``CountRefused``.
"""

from __future__ import annotations

from dataclasses import dataclass

from retrysim.durations import format_duration
from retrysim.errors import LimitError
from retrysim.ratelimit.penalty import Offence


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """The first refusal is free; each call after it makes the wait at least ``wait_ns`` again.

    Whoever comes more often than that is never served. Atlassian: an early retry is answered with the same or a
    longer Retry-After.
    """

    wait_ns: int

    def __post_init__(self) -> None:
        _require_span("wait_ns", self.wait_ns)

    def blocked_until(self, offence: Offence) -> int:
        return offence.at_ns + self.wait_ns if offence.count > 1 else offence.at_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Grow:
    """The first refusal blocks for ``first_ns``, each further one ``factor`` times as long, up to ``longest_ns``.

    Spotify's clients report such waits, of seconds at first and hours in the end.
    """

    first_ns: int
    longest_ns: int
    factor: int = 2

    def __post_init__(self) -> None:
        _require_span("first_ns", self.first_ns)
        if self.longest_ns < self.first_ns:
            raise LimitError(
                f"the longest wait of {format_duration(self.longest_ns)} is shorter than the first of "
                f"{format_duration(self.first_ns)}: expected longest_ns >= first_ns"
            )
        if self.factor < 2:
            raise LimitError(f"a wait does not grow by a factor of {self.factor}: expected 2 or more")

    def blocked_until(self, offence: Offence) -> int:
        # No more steps than surely pass the longest wait: the count may run into the thousands.
        steps = min(offence.count - 1, self.longest_ns.bit_length())
        wait_ns: int = self.first_ns * self.factor**steps
        return offence.at_ns + min(self.longest_ns, wait_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """Each ``after`` refused calls ban the key for ``lasts_ns``, or for ever (``None``).

    Discord bans an IP address after 10 000 invalid requests in 10 minutes.
    """

    after: int
    lasts_ns: int | None = None

    def __post_init__(self) -> None:
        if self.after < 1:
            raise LimitError(f"a ban after {self.after} refused calls is none: expected 1 or more")
        if self.lasts_ns is not None:
            _require_span("lasts_ns", self.lasts_ns)

    def blocked_until(self, offence: Offence) -> int | None:
        if offence.count % self.after:
            return offence.at_ns
        return None if self.lasts_ns is None else offence.at_ns + self.lasts_ns


def _require_span(name: str, span_ns: int) -> None:
    if span_ns < 1:
        raise LimitError(f"{name} is {format_duration(span_ns)}: a penalty must last longer than 0s")
