"""How an API says "too many": statuses, headers, bodies and units, read from a data file with its source and date."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from retrysim.durations import parse_duration
from retrysim.errors import FakeError
from retrysim.fakes.data import data_names, read_data
from retrysim.fakes.limit_spec import LimitSpec
from retrysim.fakes.reply import JSON, Reply
from retrysim.fakes.wording import check_wording
from retrysim.nearest import did_you_mean
from retrysim.ratelimit.rate import Rate

Wordings = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """An answer whose headers and body may have gaps (see ``wording.py``)."""

    status: int = 200
    body: str = ""
    content_type: str = JSON
    headers: Wordings = ()

    def reply(self) -> Reply:
        """The answer with its gaps, which are filled when it is dressed."""
        return Reply(
            status=self.status,
            body=self.body.encode(),
            content_type=self.content_type,
            headers=self.headers,
            has_gaps=True,
        )

    def texts(self) -> list[str]:
        return [self.body, *(text for _, text in self.headers)]


#: What an API says where its file does not tell: plain, and recognisably not the vendor's words.
_DEFAULTS: Mapping[str, Saying] = MappingProxyType(
    {
        "not_found": Saying(status=404, body="not found\n", content_type="text/plain"),
        "malformed": Saying(status=400, body="malformed request\n", content_type="text/plain"),
        "over_capacity": Saying(status=503, body="over capacity\n", content_type="text/plain"),
        "internal_error": Saying(status=500, body="internal error\n", content_type="text/plain"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The manners of one API.

    ``per`` is what tells callers apart (see ``callers.py``); ``operation`` a header that names the endpoint where
    paths do not. ``headers`` go with every answer; ``refusals`` are by the limit that refuses, ``default`` for any
    other. ``sayings``: ``not_found``, ``malformed``, ``over_capacity``, ``internal_error``, and ``unauthorized`` where
    credentials are wanted. ``answers`` are by endpoint, ``default`` for any other; ``free`` endpoints cost nothing.
    """

    name: str
    source: str
    date: str
    refusals: Mapping[str, Saying]
    sayings: Mapping[str, Saying]
    answers: Mapping[str, Saying]
    per: str = "authorization"
    operation: str = ""
    hosts: tuple[str, ...] = ()
    prefix: str = ""
    limits: tuple[LimitSpec, ...] = ()
    headers: Wordings = ()
    free: tuple[str, ...] = ()

    def refusal(self, limit: str) -> Saying:
        return self.refusals.get(limit) or self.refusals["default"]

    def saying(self, name: str) -> Saying:
        return self.sayings.get(name) or _DEFAULTS[name]


def dialect_names() -> list[str]:
    """The dialects that there are data files of."""
    return data_names("dialects", ".toml")


@cache
def load_dialect(name: str) -> Dialect:
    """The dialect of that name. Raises ``FakeError`` when there is no data file of it."""
    known = dialect_names()
    if name not in known:
        raise FakeError(f"no dialect {name!r}{did_you_mean(name, known)} (there are {', '.join(known)})")
    return parse_dialect(name, read_data(f"dialects/{name}.toml"))


def parse_dialect(name: str, text: str) -> Dialect:
    """A dialect from the text of its file. Raises ``FakeError`` for what is missing, unknown or cannot be filled."""
    try:
        table = tomllib.loads(text)
        found = Dialect(
            name=name,
            hosts=tuple(table.pop("hosts", ())),
            free=tuple(table.pop("free", ())),
            limits=tuple(_limit(limit) for limit in table.pop("limits", ())),
            headers=tuple(table.pop("headers", {}).items()),
            refusals=_sayings(table.pop("refusals")),
            sayings=_sayings(table.pop("sayings", {})),
            answers=_sayings(table.pop("answers", {})),
            **table,
        )
    except (KeyError, TypeError, AttributeError, tomllib.TOMLDecodeError) as error:
        raise FakeError(f"the dialect {name!r} cannot be read: {type(error).__name__}: {error}") from error
    _check(found)
    return found


def _sayings(tables: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Saying]:
    return {
        key: Saying(**{**table, "headers": tuple(table.get("headers", {}).items())}) for key, table in tables.items()
    }


def _limit(table: Mapping[str, Any]) -> LimitSpec:
    values = dict(table)
    for key in ("rate", "anonymous"):
        if key in values:
            values[key] = Rate.parse(values[key])
    if "step" in values:
        values["step_ns"] = parse_duration(values.pop("step"))
    values["rates"] = {endpoint: Rate.parse(text) for endpoint, text in values.get("rates", {}).items()}
    return LimitSpec(**values)


def _check(found: Dialect) -> None:
    where = f"the dialect {found.name!r}"
    if "default" not in found.refusals:
        raise FakeError(f"{where} says nothing to a refused call: it needs [refusals.default]")
    sayings = [*found.refusals.values(), *found.sayings.values(), *found.answers.values()]
    limits = [limit.name for limit in found.limits]
    for text in [text for saying in sayings for text in saying.texts()] + [text for _, text in found.headers]:
        check_wording(text, limits, where)
