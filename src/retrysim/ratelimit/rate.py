"""A rate as people write it: ``"180 per 15 minutes"``, ``"5/15min"``, ``"100 per minute"``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrysim.durations import format_duration, parse_duration
from retrysim.errors import DurationError, LimitError

_RATE = re.compile(r"\s*(-?[0-9]{1,12})\s*(?:/|per\b)\s*(-?[0-9].*[^0-9]|[a-zµ]+)\s*", re.IGNORECASE)
_EXPECTED = 'expected a whole number and a window, such as "180 per 15 minutes", "5/15min" or "1 per second"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many units (calls, points, tokens) in so many nanoseconds; both are at least 1."""

    amount: int
    window_ns: int

    def __post_init__(self) -> None:
        if self.amount < 1:
            raise LimitError(f"a rate of {self} serves nobody: the amount must be 1 or more")
        if self.window_ns < 1:
            raise LimitError(f"a rate of {self} has no window: it must be longer than 0s")

    def __str__(self) -> str:
        return f"{self.amount} per {format_duration(self.window_ns)}"

    @classmethod
    def parse(cls, text: str) -> Rate:
        """The rate that a text means; a window without a number is one of its unit.

        Raises ``LimitError`` for what is none, and for an amount or a window of zero or less.
        """
        match = _RATE.fullmatch(str(text))
        if match is None:
            raise LimitError(f"{text!r} is no rate: {_EXPECTED}")
        amount, window = match.groups()
        return cls(amount=int(amount), window_ns=_window_ns(text, window))


def _window_ns(text: str, window: str) -> int:
    try:
        return parse_duration(window if window[0] in "-0123456789" else f"1 {window}")
    except DurationError as error:
        raise LimitError(f"{text!r} is no rate: {window.strip()!r} is no window of time; {_EXPECTED}") from error
