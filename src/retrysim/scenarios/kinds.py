"""The kinds of value in a scenario: checked text in the file, exact integers in the model, words in the JSON Schema.

Each kind is an annotated type. Those of time read text and give integers of nanoseconds, so that nothing behind the
loader parses a duration again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    Strict,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError, core_schema

from retrysim.clock import to_ns
from retrysim.durations import parse_duration, parse_skew
from retrysim.errors import DurationError, InputError
from retrysim.rabbitmq import NEWEST, RabbitMQ
from retrysim.scenarios.bounds import MAX_SEEDS, MAX_TASKS

T = TypeVar("T")

#: What 64 bits hold: traces keep instants as such integers. In years: 292 from the epoch, 2262.
LARGEST_NS = 2**63 - 1

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})", re.ASCII)
_DURATION_EXAMPLE = "such as 15 minutes, 2.5s, or seconds"
_INSTANT_EXAMPLE = "with its zone, such as 2015-08-03T12:15:00Z"

CeleryMode = Literal["worker", "eager", "always_eager"]
#: What is simulated; RabbitMQ in the newest version that is modelled, or in one that is named.
Broker = Literal["memory", "redis", "rabbitmq", "rabbitmq:3.10", "rabbitmq:3.13", "rabbitmq:4.0", "rabbitmq:4.3"]
Database = Literal["test", "real"]
Files = Literal["real", "scratch"]
#: What `celery worker -P` takes.
Pool = Literal["prefork", "threads", "gevent", "solo"]
#: Celery's states that a task can be in when a run ends.
State = Literal["PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED"]

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Strict(), Field(ge=0)]
Positive = Annotated[int, Strict(), Field(gt=0)]
#: What is counted in tasks.
Times = Annotated[int, Strict(), Field(ge=0, le=MAX_TASKS)]


def expected(what: str, *, among: Iterable[str] = (), word: str | None = None) -> PydanticCustomError:
    """An error that will read ``expected WHAT; got ...``, with what is nearest to the word, or to what was got."""
    return PydanticCustomError("expected", "expected {what}", {"what": what, "among": list(among), "word": word})


def rule(sentence: str) -> PydanticCustomError:
    """An error that says it all itself."""
    return PydanticCustomError("rule", "{sentence}", {"sentence": sentence})


@dataclass(frozen=True, slots=True, kw_only=True)
class PointInTime:
    """A point in time as a file gives it: an instant, or a duration after an origin that the key names."""

    ns: int
    is_instant: bool

    def after(self, origin_ns: int) -> int:
        """Nanoseconds since the epoch, given the origin's."""
        return self.ns if self.is_instant else origin_ns + self.ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From a least to a most, both included: ``180..200``, ``15m..16m`` (in nanoseconds)."""

    least: int
    most: int

    def __contains__(self, value: int) -> bool:
        return self.least <= value <= self.most

    def __str__(self) -> str:
        return f"{self.least}..{self.most}"


def fits(expected: int | Range, actual: int) -> bool:
    """Whether a figure is the expected one, or lies in the expected range."""
    return actual in expected if isinstance(expected, Range) else actual == expected


def _count_or_range(given: object) -> int | Range:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    match = _RANGE.fullmatch(given) if isinstance(given, str) else None
    if not match:
        raise expected("a whole number of 0 or more, or a range with both its ends, such as 180..200")
    return _range(int(match[1]), int(match[2]))


def _duration_or_range(given: object) -> int | Range:
    least, dots, most = given.partition("..") if isinstance(given, str) else ("", "", "")
    if not dots:
        return _duration_ns(given)
    ends = parsed_duration(least), parsed_duration(most)
    if ends[0] is None or ends[1] is None:
        raise expected(f"a duration, {_DURATION_EXAMPLE}, or a range of them, such as 15m..16m")
    return _range(ends[0], ends[1])


def _range(least: int, most: int) -> Range:
    if least > most:
        raise expected("a range that counts upwards, such as 180..200 or 15m..16m")
    return Range(least=least, most=most)


def _duration_ns(given: object) -> int:
    ns = parsed_duration(given)
    if ns is None:
        raise expected(f"a duration, {_DURATION_EXAMPLE}")
    return ns


def _instant_ns(given: object) -> int:
    ns = parsed_instant(given)
    if ns is None:
        raise expected(f"an instant {_INSTANT_EXAMPLE}")
    return ns


def _moment(given: object) -> PointInTime:
    instant = parsed_instant(given)
    if instant is not None:
        return PointInTime(ns=instant, is_instant=True)
    duration = parsed_duration(given)
    if duration is None:
        raise expected(f"a duration, {_DURATION_EXAMPLE}, or an instant {_INSTANT_EXAMPLE}")
    return PointInTime(ns=duration, is_instant=False)


def parsed_duration(given: object) -> int | None:
    """Nanoseconds of a duration, or ``None`` for what is none or does not fit in 64 bits."""
    if not isinstance(given, str | int | float):
        return None
    try:
        ns = parse_duration(given)
    except DurationError:
        return None
    return ns if ns <= LARGEST_NS else None


def _skew_ns(given: object) -> int:
    try:
        ns = parse_skew(given) if isinstance(given, str | int | float) else None
    except DurationError:
        ns = None
    if ns is None or abs(ns) > LARGEST_NS:
        raise expected("how far the clock is ahead, such as 30s, or behind, such as -30s")
    return ns


def parsed_instant(given: object) -> int | None:
    """Nanoseconds since the epoch of an instant with its zone, or ``None`` for what is none."""
    if not isinstance(given, str) or not _INSTANT.fullmatch(given):
        return None
    try:
        ns = to_ns(datetime.fromisoformat(given))
    except ValueError:  # the 30th of February
        return None
    return ns if 0 <= ns <= LARGEST_NS else None


def _seeds(given: object) -> object:
    if not isinstance(given, str):
        return given
    match = _RANGE.fullmatch(given)
    if not match:
        raise expected("a list of seeds, or a range with both its ends, such as 0..19")
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + MAX_SEEDS:
        raise expected(f"a range that counts upwards, of at most {MAX_SEEDS} seeds")
    return list(range(first, last + 1))


class _OneOrMany:
    """Lets a single value stand for a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda given: given if isinstance(given, list) else [given], handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        array = handler(schema)
        return {"anyOf": [array["items"], array]}


class _IfGiven:
    """Lets a key be left out (``None`` in the model) without letting it be empty (``None`` in the file)."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


def _brokers(given: Any) -> Any:
    """``{rabbitmq: {version: [3.13, 4.0]}}`` stands for ``[rabbitmq:3.13, rabbitmq:4.0]``."""
    values = given if isinstance(given, list) else [given]
    return [kind for value in values for kind in (_of_rabbitmq(value) if isinstance(value, dict) else [value])]


def _of_rabbitmq(given: dict[Any, Any]) -> list[str]:
    options = given.get("rabbitmq")
    if list(given) != ["rabbitmq"] or not isinstance(options, dict) or not options:
        raise expected("rabbitmq: {version: 4.0}, or a list of versions")
    texts = {True: "true", False: "false", None: "none"}
    versions = options.get("version", NEWEST)
    written = [
        f"{name}={texts.get(value, value) if isinstance(value, bool | None) else value}"
        for name, value in options.items()
        if name != "version"
    ]
    after = "?" + "&".join(written) if written else ""
    return [f"rabbitmq:{version}{after}" for version in (versions if isinstance(versions, list) else [versions])]


def _with_options(given: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """A known broker; after a RabbitMQ's version may stand its options."""
    if not isinstance(given, str) or not re.match(r"rabbitmq:.*\?", given):
        return check(given)
    check(given.partition("?")[0])
    try:
        RabbitMQ.parse(given)
    except InputError as error:
        raise rule(str(error)) from None
    return given


_BROKER_SCHEMA = {"enum": list(get_args(Broker))}
_VERSION = {"type": ["number", "string"]}
_VERSION_SCHEMA = {"anyOf": [_VERSION, {"type": "array", "items": _VERSION}]}
_RABBITMQ_SCHEMA = {
    "type": "object",
    "properties": {
        "rabbitmq": {
            "type": "object",
            "properties": {
                "version": _VERSION_SCHEMA,
                "consumer_timeout": {"type": ["string", "number", "null"], "examples": ["2h"]},
                "permit_transient_queues": {"type": "boolean"},
            },
            "minProperties": 1,
            "additionalProperties": False,
        }
    },
    "required": ["rabbitmq"],
    "additionalProperties": False,
}
Brokers = Annotated[
    tuple[Annotated[Broker, WrapValidator(_with_options)], ...],
    Field(min_length=1),
    BeforeValidator(_brokers),
    WithJsonSchema({"anyOf": [_BROKER_SCHEMA, _RABBITMQ_SCHEMA, {"type": "array", "items": _BROKER_SCHEMA}]}),
]

OneOrMany = Annotated[tuple[T, ...], Field(min_length=1), _OneOrMany()]
IfGiven = Annotated[T | None, _IfGiven()]

DURATION_SCHEMA = {"type": ["string", "number"], "minimum": 0, "examples": ["15 minutes", "1h30m", 2.5]}
_SKEW_SCHEMA = {"type": ["string", "number"], "examples": ["30s", "-30s"]}
_INSTANT_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2015-08-03T12:15:00Z"]}
_MOMENT_SCHEMA = {"type": ["string", "number"], "minimum": 0, "examples": ["15 minutes", "2015-08-03T12:15:00Z"]}

_RANGE_PATTERN = r"^\d{1,9}\.\.\d{1,9}$"
CountOrRange: TypeAlias = Annotated[
    int | Range,
    PlainValidator(_count_or_range),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _RANGE_PATTERN}]}),
]
DurationOrRange: TypeAlias = Annotated[int | Range, PlainValidator(_duration_or_range), WithJsonSchema(DURATION_SCHEMA)]
DurationNs = Annotated[int, PlainValidator(_duration_ns), WithJsonSchema(DURATION_SCHEMA)]
#: How far a clock is ahead; below zero: behind.
SkewNs = Annotated[int, PlainValidator(_skew_ns), WithJsonSchema(_SKEW_SCHEMA)]
InstantNs = Annotated[int, PlainValidator(_instant_ns), WithJsonSchema(_INSTANT_SCHEMA)]
When = Annotated[PointInTime, PlainValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA)]
Seeds = Annotated[
    tuple[Count, ...],
    Field(min_length=1),
    BeforeValidator(_seeds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
                {
                    "type": "string",
                    "pattern": _RANGE_PATTERN,
                    "description": f"At most {MAX_SEEDS} seeds.",
                },
            ]
        }
    ),
]
