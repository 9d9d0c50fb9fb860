"""The limits of Twitter's REST API v1.1 by era, from ``data/twitter_limits.csv``, with a user's own on top."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from retrysim.durations import MINUTE
from retrysim.errors import FakeError
from retrysim.fakes.data import read_data
from retrysim.nearest import did_you_mean
from retrysim.ratelimit.rate import Rate

#: A limit of one's own: a rate for users and apps alike, or one for each.
OwnLimit = str | Mapping[str, str]
OwnLimits = Mapping[str, OwnLimit]

_WINDOW_NS = 15 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One line of the table: a path of the API (``statuses/show/:id``) and its rates; ``None``: not counted, no access.

    ``day`` is counted for an app and all its users together.

    ``kind``: ``read`` is counted per token and told in headers; ``write`` is counted per user across apps and not
    told; ``post`` is one count for everything that posts.
    """

    method: str
    path: str
    kind: Literal["read", "write", "post"]
    user: Rate | None
    app: Rate | None
    day: Rate | None

    @property
    def bucket(self) -> str:
        """What the limit is counted for, as ``rate_limit_status`` names it."""
        return "/posts" if self.kind == "post" else f"/{self.path}"

    @property
    def family(self) -> str:
        return self.path.split("/")[0]


def limits_of(era: str, own: OwnLimits | None = None) -> list[LimitRow]:
    """The table of an era, with one's own limits. Raises ``FakeError`` for an unknown era or path."""
    table = _table()
    if era not in table:
        raise FakeError(f"no era {era!r} of Twitter{did_you_mean(era, table)} (there are {', '.join(table)})")
    return _with_own(table[era], own or {})


def eras() -> tuple[str, ...]:
    """The eras that there are."""
    return tuple(_table())


@cache
def _table() -> Mapping[str, tuple[LimitRow, ...]]:
    lines = (line for line in read_data("twitter_limits.csv").splitlines() if not line.startswith("#"))
    rows: dict[str, tuple[LimitRow, ...]] = {}
    for cells in csv.DictReader(lines):
        rows[cells["era"]] = (*rows.get(cells["era"], ()), _row(cells))
    return rows


def _row(cells: Mapping[str, str]) -> LimitRow:
    kind: Literal["read", "write", "post"] = (
        "post" if cells["kind"] == "post" else "write" if cells["kind"] == "write" else "read"
    )
    return LimitRow(
        method=cells["method"],
        path=cells["path"],
        kind=kind,
        user=_rate(cells["user"]),
        app=_rate(cells["app"]),
        day=_rate(cells["day"]),
    )


def _rate(text: str) -> Rate | None:
    if not text:
        return None
    return Rate(amount=int(text), window_ns=_WINDOW_NS) if text.isdigit() else Rate.parse(text)


def _with_own(rows: Iterable[LimitRow], own: OwnLimits) -> list[LimitRow]:
    changed = list(rows)
    known = list(dict.fromkeys(row.path for row in changed))
    for key, limit in own.items():
        path = _path(key, known)
        changed = [_changed(row, key, limit) if row.path == path else row for row in changed]
    return changed


def _path(key: str, known: list[str]) -> str:
    """The path that a key means: with or without ``/1.1/``, ``.json`` and ``/:id``."""
    path = key.strip("/").removeprefix("1.1/").removesuffix(".json")
    for candidate in (path, f"{path}/:id"):
        if candidate in known:
            return candidate
    raise FakeError(f"no limit {key!r} in this era of Twitter{did_you_mean(path, known)}")


def _changed(row: LimitRow, key: str, limit: OwnLimit) -> LimitRow:
    user, app = own_rates(key, limit)
    if isinstance(limit, str) and row.app is None:
        app = None
    return replace(row, user=user or row.user, app=app or row.app)


def own_rates(key: str, limit: OwnLimit) -> tuple[Rate | None, Rate | None]:
    """The rates for a user and for an app that a limit of one's own means. Raises ``FakeError`` for anything else."""
    if isinstance(limit, str):
        return Rate.parse(limit), Rate.parse(limit)
    if not isinstance(limit, Mapping) or not set(limit) <= {"user", "app"}:
        expected = 'expected a rate such as "5 per 15 minutes", or one for each of "user" and "app"'
        raise FakeError(f"the limit of {key!r} is {limit!r}: {expected}")
    user, app = limit.get("user"), limit.get("app")
    return Rate.parse(user) if user else None, Rate.parse(app) if app else None
