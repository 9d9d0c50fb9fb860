"""What a call costs that is made while limited: a strategy that says how long the key stays blocked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """A refused call: when it came, and the how many-th of its key it is, counted from 1."""

    at_ns: int
    count: int


class Penalty(Protocol):
    """A pure function of one refused call."""

    def blocked_until(self, offence: Offence) -> int | None:
        """The instant up to which every call of the key is refused: ``None`` for ever, a past one for not at all."""
        ...
