"""Makes one message for a person of pydantic's errors: where, which key, what was expected, what came close."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from retrysim.errors import ScenarioError
from retrysim.nearest import did_you_mean
from retrysim.scenarios.document import Document, KeyPath, spelled

#: One of pydantic's errors, as ``ValidationError.errors()`` gives it.
Fault = Mapping[str, Any]

_LONGEST = 60
_OF_KEY = "[key]"  # pydantic's last step to an error in a mapping's key
_REQUIRED = {
    "name": "what the scenario shows, as a sentence",
    "groups.name": "the node name of these workers",
    "app": "the Celery app as `celery -A` takes it, such as proj.celery:app",
    "task": "the name of a task",
    "tasks": "how many tasks were retried",
    "event": "the kind of event, such as task-started",
    "by": "how much later the messages arrive, such as 5s",
}
_PATTERNS = {r"^[A-Za-z_][A-Za-z0-9_]*$": "the name of an environment variable, such as TWITTER_TOKEN"}


def complain(document: Document, invalid: ValidationError) -> ScenarioError:
    """The error that comes first in the file; keys that are missing come last, for another may be them, misspelt."""
    faults = [fault for fault in invalid.errors(include_url=False) if not _is_echo(fault)]
    fault = min(faults, key=lambda fault: (fault["type"] == "missing", *_line_and_column(document, fault)))
    return _error(document, fault)


def got(value: object) -> str:
    """A value as a message shows it: in the file's words, not in Python's, and not at length."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= _LONGEST else value[:_LONGEST] + "...")
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a mapping" if value else "an empty mapping"
    return str(value)


def _is_echo(fault: Fault) -> bool:
    """Whether pydantic calls a list too short only because it has refused its items, each with an error."""
    return fault["type"] == "too_short" and bool(fault["input"])


def _line_and_column(document: Document, fault: Fault) -> tuple[int, int]:
    path, of_key = _path(fault)
    position = document.position(path, of_key=of_key)
    return position.line, position.column


def _path(fault: Fault) -> tuple[KeyPath, bool]:
    """The way to what is wrong, and whether that is a key."""
    path: KeyPath = fault["loc"]
    if fault["type"] == "unknown_key":
        return (*path, fault["ctx"]["key"]), True
    if path and path[-1] == _OF_KEY:
        return path[:-1], True
    return path, False


def _error(document: Document, fault: Fault) -> ScenarioError:
    path, of_key = _path(fault)
    if fault["type"] == "missing":
        around = document.written(path[:-1])
        return ScenarioError(f"{document.where(around)}: {spelled((*around, path[-1]))}: {_missing(path)}")
    return document.error(path, sentence(fault), of_key=of_key)


def _missing(path: KeyPath) -> str:
    key = "groups.name" if "groups" in path else str(path[-1])
    return f"missing; expected {_REQUIRED[key]}"


def sentence(fault: Fault) -> str:
    """What is wrong, without where."""
    kind, context, value = fault["type"], fault.get("ctx", {}), fault["input"]
    if kind == "rule":
        return str(context["sentence"])
    if kind == "unknown_key":
        return _unknown(context["key"], context["known"])
    what = _EXPECTED[kind](context) if kind in _EXPECTED else fault["msg"]
    return f"expected {what}; got {got(value)}" + _hint(kind, context, value)


def _unknown(key: str, known: list[str]) -> str:
    return "unknown key" + (did_you_mean(key, known) or "; expected one of " + ", ".join(known))


def _hint(kind: str, context: Mapping[str, Any], value: object) -> str:
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "; put it in quotes"
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return "; take away the quotes"
    word = context.get("word") or value
    return did_you_mean(word, _candidates(context)) if isinstance(word, str) else ""


def _candidates(context: Mapping[str, Any]) -> list[str]:
    return context.get("among") or re.findall(r"'(\w+)'", str(context.get("expected", "")))


_EXPECTED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "expected": lambda context: str(context["what"]),
    "literal_error": lambda context: str(context["expected"]).replace("'", ""),
    "int_type": lambda _: "a whole number",
    "greater_than": lambda context: f"a whole number above {context['gt']}",
    "greater_than_equal": lambda context: f"a whole number of {context['ge']} or more",
    "string_type": lambda _: "text",
    "string_too_short": lambda _: "text that is not empty",
    "string_pattern_mismatch": lambda context: _PATTERNS[context["pattern"]],
    "too_short": lambda _: "at least one value",
    "bool_type": lambda _: "true or false",
    "bool_parsing": lambda _: "true or false",
    "tuple_type": lambda _: "a list",
    "dict_type": lambda _: "a mapping",
    "model_type": lambda _: "a mapping",
    "model_attributes_type": lambda _: "a mapping",
}
