"""Makes one message for a person of pydantic's errors: where, which key, what was expected, what came close."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from retrysim.errors import ScenarioError
from retrysim.nearest import did_you_mean, nearest
from retrysim.scenarios.document import Document, KeyPath, spelled

#: One of pydantic's errors, as ``ValidationError.errors()`` gives it.
Fault = Mapping[str, Any]

_LONGEST = 60
#: How many mistakes of a file are told.
_MOST = 10
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
_PATTERNS = {
    r"^[A-Za-z_][A-Za-z0-9_]*$": "the name of an environment variable, such as TWITTER_TOKEN",
    r"^[^#]+(#[1-9][0-9]*)?$": "the name of a task, or one task of that name, such as push_contact#3",
}


def scenario_error(document: Document, invalid: ValidationError) -> ScenarioError:
    """All that is wrong, in the order of the file; missing keys come last, for another may be them, misspelt."""
    faults = invalid.errors(include_url=False)
    meant = {(*one["loc"], key) for one in faults if one["type"] == "unknown_key" and (key := _nearest_key(one))}
    faults = [fault for fault in faults if not _is_echo(fault, meant)]
    faults.sort(key=lambda fault: (fault["type"] == "missing", *_line_and_column(document, fault)))
    return together([_error(document, fault) for fault in faults])


def together(errors: Sequence[ScenarioError]) -> ScenarioError:
    """One error of several, a line for each."""
    lines = list(dict.fromkeys(map(str, errors)))
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return ScenarioError("\n".join(lines[:_MOST] + more))


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
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _nearest_key(fault: Fault) -> str | None:
    return nearest(fault["ctx"]["key"], fault["ctx"]["known"])


def _is_echo(fault: Fault, meant: Container[KeyPath]) -> bool:
    """Whether it follows from another: a list is too short once its items are refused, a misspelt key is missing."""
    if fault["type"] == "missing":
        return fault["loc"] in meant
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
    "less_than_equal": lambda context: f"a whole number of at most {context['le']}",
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
