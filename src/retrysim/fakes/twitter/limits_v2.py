"""The limits of X API v2 by access tier, from ``data/twitter_v2_limits.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from retrysim.errors import FakeError
from retrysim.fakes.data import read_data
from retrysim.fakes.twitter.limits import OwnLimits, own_rates
from retrysim.nearest import did_you_mean
from retrysim.ratelimit.rate import Rate

_NOT_IN_TIER = "none"
#: Recorded answers of 2022 count these together: 199, 198, 197 on one reset.
_MESSAGES = (
    "/2/dm_conversations",
    "/2/dm_conversations/:id/messages",
    "/2/dm_conversations/with/:participant_id/messages",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """One line of the table: the limits for a user's token and for an app's; none at all: no such access."""

    method: str
    path: str
    user: tuple[Rate, ...]
    app: tuple[Rate, ...]

    @property
    def bucket(self) -> str:
        """What the limit is counted for: method and path, for messages the conversation's."""
        path = _MESSAGES[0] if self.method == "POST" and self.path in _MESSAGES else self.path
        return f"{self.method} {path}"

    @property
    def is_in_tier(self) -> bool:
        return bool(self.user or self.app)


def limits_of_tier(tier: str, own: OwnLimits | None = None) -> list[TierRow]:
    """The table of a tier, with one's own limits by ``"POST /2/tweets"``. Raises ``FakeError`` for an unknown one."""
    table = _table()
    if tier not in table:
        raise FakeError(f"no tier {tier!r} of the X API{did_you_mean(tier, table)} (there are {', '.join(table)})")
    rows = list(table[tier])
    known = [f"{row.method} {row.path}" for row in rows]
    for key, limit in (own or {}).items():
        if key not in known:
            raise FakeError(f"no limit {key!r} in this tier of the X API{did_you_mean(key, known)}")
        index = known.index(key)
        user, app = own_rates(key, limit)
        row = rows[index]
        rows[index] = replace(row, user=(user,) if user else row.user, app=(app,) if app and row.app else row.app)
    return rows


def tiers() -> tuple[str, ...]:
    """The tiers that there are."""
    return tuple(_table())


@cache
def _table() -> Mapping[str, tuple[TierRow, ...]]:
    lines = (line for line in read_data("twitter_v2_limits.csv").splitlines() if not line.startswith("#"))
    rows: dict[str, tuple[TierRow, ...]] = {}
    for cells in csv.DictReader(lines):
        row = TierRow(method=cells["method"], path=cells["path"], user=_rates(cells["user"]), app=_rates(cells["app"]))
        rows[cells["tier"]] = (*rows.get(cells["tier"], ()), row)
    return rows


def _rates(text: str) -> tuple[Rate, ...]:
    if text in ("", _NOT_IN_TIER):
        return ()
    return tuple(Rate.parse(rate) for rate in text.split(" + "))
