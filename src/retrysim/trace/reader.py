"""Reads a trace from disk, and refuses what is none: each error names the line, and what was expected there.

Whoever draws or compares a trace relies on what is checked here: every field has its type, every instant is one of
the calendar, and events stand in the order of time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from retrysim.errors import InputError
from retrysim.trace.events import KINDS, Event
from retrysim.trace.history import Trace
from retrysim.trace.ndjson import FORMAT

_HEADER = "not a trace of retrysim: its first line is not the header of one"
_DAY_NS = 86_400 * 10**9
#: The instants that a calendar knows, but for a day at both ends; and more than anything is counted to.
_FIRST_NS, _LAST_NS = -62_135_596_800 * 10**9 + _DAY_NS, 253_402_300_799 * 10**9 - _DAY_NS
_HIGHEST = 2**53


def load_ndjson(text: str) -> Trace:
    """Read a trace back. Raises ``InputError`` for what is none, with the line."""
    lines = text.split("\n")  # not splitlines(): a text may hold U+2028 and other ends of lines
    if not lines[-1].strip():
        lines.pop()
    header = _header(lines[0] if lines else "")
    return Trace(seed=header["seed"], start_ns=header["start_ns"], events=_events(lines[1:], header["start_ns"]))


def _header(line: str) -> dict[str, Any]:
    try:
        header = json.loads(line)
        found = header["format"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(_HEADER) from error
    if found != FORMAT:
        raise InputError(f"a trace of format {_got(found)}: this version reads {FORMAT!r}")
    for name in ("seed", "start_ns"):
        if name not in header:
            raise InputError(f"line 1: {name!r} is missing")
        _check(1, "the header", name, _CHECKS["instant" if name == "start_ns" else "seed"], header[name])
    return dict(header)


def _events(lines: Iterable[str], start_ns: int) -> Iterator[Event]:
    before_ns = start_ns
    for number, line in enumerate(lines, start=2):
        event = _event(number, _object(number, line))
        if event.at_ns < before_ns:
            raise InputError(
                f"line {number}: expected events in order of time; this one is earlier than the line before"
            )
        before_ns = event.at_ns
        yield event


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number}: expected an event as JSON; was the file cut?") from error
    if not isinstance(values, dict):
        raise InputError(f"line {number}: expected an event, which is a JSON object; got {_got(values)}")
    return values


def _event(number: int, values: dict[str, Any]) -> Event:
    name = values.pop("event", None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InputError(f"line {number}: expected an event of a known kind; got {_got(name)}")
    checks, required = _FORMS[kind]
    for key, value in values.items():
        if key not in checks:
            raise InputError(f"line {number}: {name} has no field {_got(key)}")
        _check(number, kind.kind, key, checks[key], value)
    for key in required:
        if key not in values:
            raise InputError(f"line {number}: {name} lacks {key!r}")
    given: dict[str, Any] = {key: _frozen(value) for key, value in values.items()}
    return kind(**given)


_Check = tuple[str, Callable[[Any], bool]]


def _check(number: int, kind: str, key: str, check: _Check, value: Any) -> None:
    expected, fits = check
    if not fits(value):
        raise InputError(f"line {number}: {key!r} of {kind}: expected {expected}; got {_got(value)}")


def _form(kind: type[Event]) -> tuple[Mapping[str, _Check], tuple[str, ...]]:
    """The check of each field of an event, and the fields that it must have."""
    checks = {field.name: _CHECKS[_sort(field.name, str(field.type))] for field in fields(kind)}
    return checks, tuple(field.name for field in fields(kind) if field.default is MISSING)


def _sort(name: str, annotation: str) -> str:
    """Instants and attempts are numbers with bounds of their own."""
    special = "instant" if name.endswith("_ns") else name if name in ("attempt", "concurrency", "status") else "int"
    return annotation.replace("int", special) if annotation.startswith("int") else annotation


def _is_number(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _is_text(value: Any) -> bool:
    return type(value) is str


def _or_null(check: _Check) -> _Check:
    expected, fits = check
    return f"{expected}, or null", lambda value: value is None or fits(value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_text, value))


_INSTANT = "an instant in nanoseconds since the epoch, within the calendar"
_CHECKS: dict[str, _Check] = {
    "str": ("text", _is_text),
    "bool": ("true or false", lambda value: type(value) is bool),
    "seed": ("a whole number", lambda value: type(value) is int),
    "int": ("a whole number of 0 or more", lambda value: _is_number(value, 0, _HIGHEST)),
    "concurrency": ("a whole number of 0 to 10000", lambda value: _is_number(value, 0, 10_000)),
    "attempt": ("a whole number of 1 or more", lambda value: _is_number(value, 1, _HIGHEST)),
    "status": ("a status of HTTP, or 0", lambda value: _is_number(value, 0, 999)),
    "instant": (_INSTANT, lambda value: _is_number(value, _FIRST_NS, _LAST_NS)),
    "tuple[str, ...]": ("a list of texts", lambda value: isinstance(value, list) and all(map(_is_text, value))),
    "tuple[tuple[str, str], ...]": (
        "a list of pairs of texts",
        lambda value: isinstance(value, list) and all(map(_is_pair, value)),
    ),
}
_CHECKS |= {f"{name} | None": _or_null(check) for name, check in _CHECKS.items()}
_FORMS = {kind: _form(kind) for kind in KINDS.values()}


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _got(value: object) -> str:
    """A value as a message shows it: not at length."""
    text = json.dumps(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return {"dict": "an object", "list": "a list"}.get(text, text if len(text) <= 40 else text[:40] + "...")
