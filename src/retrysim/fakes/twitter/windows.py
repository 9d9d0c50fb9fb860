"""How Twitter's windows are made, and what may stand at its door: shared by both versions of the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from retrysim.durations import SECOND
from retrysim.fakes.request import Request
from retrysim.fakes.twitter.credentials import Credentials
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.rate import Rate

#: Checks the credentials of a request at the server's time; raises ``Refusal`` when it does not like them.
Door = Callable[[Request, Credentials, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows that begin at a whole second: exact, or with the departures that ``FixedWindow`` explains."""

    reopens_at: Literal["reset", "float"] = "reset"
    extra_calls: int = 0

    def of(self, rate: Rate) -> FixedWindow:
        return FixedWindow(
            rate,
            start_resolution_ns=min(SECOND, rate.window_ns),
            reopens_at=self.reopens_at,
            extra_calls=self.extra_calls,
        )
