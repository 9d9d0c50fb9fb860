"""The kinds of value that only expectations have: timelines, stories, calls, moments of retries, invariants.

A mapping by fake may leave the fake out where only one serves the endpoint: it is then kept under ``ALL``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, PlainValidator, WithJsonSchema, WrapValidator
from pydantic import ValidatorFunctionWrapHandler as Handler

from retrysim.durations import format_duration, parse_duration
from retrysim.errors import DurationError
from retrysim.scenarios.block import Block
from retrysim.scenarios.kinds import DURATION_SCHEMA, CountOrRange, Range, State, Text, expected, parsed_duration, rule

#: Stands for every task (in ``attempts``), and for the one fake that serves the endpoint (in ``story`` and ``calls``).
ALL = "*"

_STATES: tuple[str, ...] = get_args(State)
_BREAKS = ("refused", "reset", "silence", "truncated")


class InvariantCall(Block):
    """An invariant by its name, with the arguments it takes."""

    name: Text
    arguments: dict[str, JsonValue] = Field(default={})


def _timeline(given: str) -> str:
    return " ".join(_token(token) for token in given.split())


def _token(token: str) -> str:
    if token in _STATES:
        return token
    try:
        return format_duration(parse_duration(token))
    except DurationError:
        what = "Celery's states and the durations between them, such as RETRY 15m SUCCESS"
        raise expected(what, among=_STATES, word=token) from None


def _no_two_alike(given: Any, validate: Handler) -> dict[str, int | Range]:
    timelines: dict[str, int | Range] = validate(given)
    if len(timelines) < len(given):
        raise rule("two of the timelines are the same; add up their counts")
    return timelines


def _by_fake(given: object) -> object:
    if not isinstance(given, dict):
        return given
    endpoints = {key: value for key, value in given.items() if "/" in key or key == ALL}
    fakes = {key: value for key, value in given.items() if key not in endpoints}
    return {**fakes, ALL: endpoints} if endpoints else fakes


def _endpoint(given: str) -> str:
    method, _, path = given.partition(" ")
    if not (method.isalpha() and method.isupper() and path.startswith("/")):
        raise expected("an endpoint: a method and a path, such as GET /items")
    return given


def _status(given: str) -> str:
    is_code = given.isascii() and given.isdigit() and len(given) == 3 and "1" <= given[0] <= "5"
    if not is_code and given not in _BREAKS:
        ways = ", ".join(_BREAKS)
        raise expected(f"a status such as 429, or how the connection broke ({ways})", among=_BREAKS)
    return given


def _story(given: object) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise expected("the answers in their order and the durations between them, such as 180x200 20x429 15m 20x200")
    return " ".join(str(given).split())


def _retried_at(given: object) -> object:
    if given == "reset":
        return given
    durations = [parsed_duration(value) for value in (given if isinstance(given, list) else [given])]
    if not durations or None in durations:
        raise expected("reset, or the durations from the start at which retried attempts begin, such as [2s, 4s]")
    return tuple(durations)


def _exception(given: object) -> str:
    name = given.partition(":")[0] if isinstance(given, str) else ""
    if not isinstance(given, str) or not all(part.isidentifier() for part in name.split(".")):
        raise expected('the name of an exception, or its name and message, such as "ValueError: no such user"')
    return given


def _total(given: object) -> object:
    return given if isinstance(given, dict) else {ALL: given}


def _invariant_call(given: object) -> object:
    named = {given: None} if isinstance(given, str) else given
    if not isinstance(named, dict) or len(named) != 1 or not all(name.isidentifier() for name in named):
        raise expected("an invariant's name, or one name with arguments, such as {quota_is_respected: {fake: twitter}}")
    [(name, arguments)] = named.items()
    return {"name": name, "arguments": {} if arguments is None else arguments}


def _by_fake_schema(of_endpoint: dict[str, Any]) -> dict[str, Any]:
    endpoints = {"^[A-Z]+ /": of_endpoint}
    of_fake = {"type": "object", "patternProperties": endpoints, "additionalProperties": False}
    return {**of_fake, "patternProperties": {**endpoints, "^[^/]+$": of_fake}}


_COUNT_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\d{1,9}\.\.\d{1,9}$"}]}
_COUNTS_SCHEMA = {"type": "object", "additionalProperties": _COUNT_SCHEMA}
_NAMED_SCHEMA = {"type": "object", "minProperties": 1, "maxProperties": 1}

Timeline = Annotated[str, Field(min_length=1), AfterValidator(_timeline)]
Timelines = Annotated[dict[Timeline, CountOrRange], WrapValidator(_no_two_alike)]
Attempts = Annotated[
    dict[Text, CountOrRange], BeforeValidator(_total), WithJsonSchema({"anyOf": [_COUNT_SCHEMA, _COUNTS_SCHEMA]})
]
RetriedAt: TypeAlias = Annotated[
    Literal["reset"] | tuple[int, ...],
    PlainValidator(_retried_at),
    WithJsonSchema({"anyOf": [{"const": "reset"}, DURATION_SCHEMA, {"type": "array", "items": DURATION_SCHEMA}]}),
]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Status = Annotated[str, AfterValidator(_status)]
Story = Annotated[str, PlainValidator(_story)]
Stories = Annotated[
    dict[Text, dict[Endpoint, Story]],
    BeforeValidator(_by_fake),
    WithJsonSchema(_by_fake_schema({"type": ["string", "integer"]})),
]
Calls = Annotated[
    dict[Text, dict[Endpoint, dict[Status, CountOrRange]]],
    BeforeValidator(_by_fake),
    WithJsonSchema(_by_fake_schema(_COUNTS_SCHEMA)),
]
ExceptionText = Annotated[str, PlainValidator(_exception), WithJsonSchema({"type": "string"})]
Invariant = Annotated[
    InvariantCall,
    BeforeValidator(_invariant_call),
    WithJsonSchema({"anyOf": [{"type": "string"}, _NAMED_SCHEMA]}),
]
