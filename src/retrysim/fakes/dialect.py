"""How an API says "too many": statuses, headers, bodies and units, read from a data file with its source and date."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from retrysim.durations import parse_duration
from retrysim.errors import FakeError
from retrysim.fakes.data import data_names, read_data
from retrysim.fakes.limit_spec import LimitSpec
from retrysim.fakes.nearest import did_you_mean
from retrysim.fakes.reply import JSON, Reply
from retrysim.fakes.vendor import Count
from retrysim.fakes.wording import check_wording, fill
from retrysim.ratelimit.rate import Rate

Wordings = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """An answer with gaps in its headers and body."""

    status: int
    body: str = ""
    content_type: str = JSON
    headers: Wordings = ()

    def reply(self, counts: Mapping[str, Count], now_ns: int) -> Reply:
        """The answer now; a body that cannot be filled is empty."""
        return Reply(
            status=self.status,
            body=(fill(self.body, counts, now_ns) or "").encode(),
            content_type=self.content_type,
            headers=filled(self.headers, counts, now_ns),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The manners of one API.

    ``per`` is what tells callers apart (a header's name, ``ip``, or ``all`` for one counter); ``refusals`` are by the
    name of the limit that refuses, ``default`` for any other. ``unauthorized`` answers a call without credentials,
    where the API wants them.
    """

    name: str
    source: str
    date: str
    refusals: Mapping[str, Saying]
    not_found: Saying
    malformed: Saying
    per: str = "authorization"
    hosts: tuple[str, ...] = ()
    prefix: str = ""
    limits: tuple[LimitSpec, ...] = ()
    headers: Wordings = ()
    unauthorized: Saying | None = None

    def refusal(self, limit: str) -> Saying:
        return self.refusals.get(limit) or self.refusals["default"]


def filled(headers: Wordings, counts: Mapping[str, Count], now_ns: int) -> Wordings:
    """The headers that can be filled, without those that cannot."""
    pairs = ((name, fill(text, counts, now_ns)) for name, text in headers)
    return tuple((name, value) for name, value in pairs if value is not None)


@cache
def load_dialect(name: str) -> Dialect:
    """The dialect of that name. Raises ``FakeError`` when there is no data file of it."""
    known = data_names("dialects", ".toml")
    if name not in known:
        raise FakeError(f"no dialect {name!r}{did_you_mean(name, known)} (there are {', '.join(known)})")
    return parse_dialect(name, read_data(f"dialects/{name}.toml"))


def parse_dialect(name: str, text: str) -> Dialect:
    """A dialect from the text of its file. Raises ``FakeError`` for what is missing, unknown or cannot be filled."""
    try:
        table = tomllib.loads(text)
        found = Dialect(
            name=name,
            hosts=tuple(table.pop("hosts", [])),
            limits=tuple(_limit(limit) for limit in table.pop("limits", [])),
            headers=_wordings(table.pop("headers", {})),
            refusals={limit: _saying(saying) for limit, saying in table.pop("refusals").items()},
            not_found=_saying(table.pop("not_found")),
            malformed=_saying(table.pop("malformed")),
            unauthorized=_saying(table.pop("unauthorized")) if "unauthorized" in table else None,
            **table,
        )
    except (KeyError, TypeError, AttributeError, tomllib.TOMLDecodeError) as error:
        raise FakeError(f"the dialect {name!r} cannot be read: {error}") from error
    _check(found)
    return found


def _saying(table: dict[str, Any]) -> Saying:
    return Saying(**{**table, "headers": _wordings(table.get("headers", {}))})


def _wordings(table: Mapping[str, str]) -> Wordings:
    return tuple(table.items())


def _limit(table: dict[str, Any]) -> LimitSpec:
    values = dict(table)
    values["rate"] = Rate.parse(values["rate"])
    if "step" in values:
        values["step_ns"] = parse_duration(values.pop("step"))
    return LimitSpec(**values)


def _check(found: Dialect) -> None:
    limits = [limit.name for limit in found.limits]
    sayings = [*found.refusals.values(), found.not_found, found.malformed, *filter(None, [found.unauthorized])]
    if "default" not in found.refusals:
        raise FakeError(f"the dialect {found.name!r} says nothing to refused calls: it needs [refusals.default]")
    texts = [text for saying in sayings for text in (saying.body, *(value for _, value in saying.headers))]
    for text in [*texts, *(value for _, value in found.headers)]:
        check_wording(text, limits, f"the dialect {found.name!r}")
