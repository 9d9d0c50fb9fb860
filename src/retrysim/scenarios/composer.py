"""Reads YAML text into a document of plain values and their positions.

It listens to the parser's events instead of taking its nodes: only there are tags, anchors and aliases still visible,
and no resolver has guessed yet what a scalar means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from retrysim.errors import ScenarioError
from retrysim.scenarios.bounds import MAX_VALUES
from retrysim.scenarios.document import Document, KeyPath, Position, Value, place, spelled
from retrysim.scenarios.scalar import plain_value

#: Deeper than any scenario, and far from Python's own limit of recursion.
MAX_DEPTH = 32

_TOP = Position(line=1, column=1)
_SURROGATE = re.compile("[\ud800-\udfff]")
_EMPTY = "the file is empty; expected a scenario: a mapping with at least name, app and submit"
# What the parser says, and what a person then has to do.
_REMEDIES = {
    "mapping values are not allowed here": "put a value that contains ': ' in quotes",
    "found character '\\t' that cannot start any token": "indent with spaces, not with tabs",
}


def compose(text: str, *, file: str) -> Document:
    """The one document of a YAML text; ``file`` is the name that errors show.

    Raises ``ScenarioError`` for text that is not YAML 1.2, and for what scenarios do without: duplicate keys, tags,
    anchors and aliases, directives, several documents.
    """
    return _Composer(file, _events(text, file)).document()


def _fault(file: str, position: Position, message: str, path: KeyPath = ()) -> ScenarioError:
    return ScenarioError(": ".join(filter(None, (place(file, position), spelled(path), message))))


def _position(mark: StringMark) -> Position:
    return Position(line=mark.line + 1, column=mark.column + 1)


def _events(text: str, file: str) -> Iterator[Event]:
    """The parser's events; its errors become ours."""
    last = _TOP
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            last = _position(event.end_mark)
            yield event
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _fault(file, _position(mark) if mark else last, _malformed(error)) from None
    except ReaderError as error:
        before = text[: error.position].split("\n")
        position = Position(line=len(before), column=len(before[-1]) + 1)
        raise _fault(file, position, f"not valid YAML: the character {text[error.position]!a} is not allowed") from None
    except (ValueError, OverflowError):  # an escape such as "\UFFFFFFFF", which ruamel.yaml gives to chr()
        raise _fault(file, last, "not valid YAML: an escape in a quoted text names no character") from None


def _malformed(error: MarkedYAMLError) -> str:
    problem = " ".join((error.problem or "it cannot be parsed").split())
    remedy = _REMEDIES.get(problem)
    return f"not valid YAML: {problem}" + (f"; {remedy}" if remedy else "")


class _Composer:
    """One pass over the events of one file."""

    def __init__(self, file: str, events: Iterator[Event]) -> None:
        self._file = file
        self._events = events
        self._values: dict[KeyPath, Position] = {}
        self._keys: dict[KeyPath, Position] = {}

    def document(self) -> Document:
        next(self._events)  # the stream's start
        start = next(self._events)
        if not isinstance(start, DocumentStartEvent):
            raise _fault(self._file, _TOP, _EMPTY)
        if start.tags or start.version not in (None, (1, 2)):
            what = "directives (%YAML, %TAG) are not used in scenarios, which are YAML 1.2; remove them"
            raise self._refused(start, (), what)
        value = self._node(next(self._events), ())
        next(self._events)  # the document's end
        extra = next(self._events)
        if not isinstance(extra, StreamEndEvent):
            raise self._refused(extra, (), "a second document begins here; expected one scenario per file")
        return Document(file=self._file, value=value, value_positions=self._values, key_positions=self._keys)

    def _refused(self, event: Event, path: KeyPath, message: str) -> ScenarioError:
        return _fault(self._file, _position(event.start_mark), message, path)

    def _node(self, event: Event, path: KeyPath) -> Value:
        self._refuse_references(event, path)
        self._values[path] = _position(event.start_mark)
        if len(self._values) > MAX_VALUES:
            raise self._refused(event, path[:1], f"more values than a scenario may have; expected at most {MAX_VALUES}")
        if len(path) > MAX_DEPTH:
            raise self._refused(event, path[:1], f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, CollectionStartEvent):
            return self._sequence(path)
        assert isinstance(event, ScalarEvent), event
        return self._scalar(event, path)

    def _refuse_references(self, event: Event, path: KeyPath) -> None:
        if isinstance(event, AliasEvent):
            raise self._refused(event, path, f"aliases are not used in scenarios; write out what *{event.anchor} means")
        assert isinstance(event, ScalarEvent | CollectionStartEvent), event
        if event.anchor is not None:
            raise self._refused(event, path, f"anchors are not used in scenarios; remove &{event.anchor}")
        if event.tag is not None:
            raise self._refused(event, path, "tags are not used in scenarios; remove it, and put text in quotes")

    def _mapping(self, path: KeyPath) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event, path)
            inner = (*path, key)
            if key in mapping:
                line = self._keys[inner].line
                raise self._refused(event, inner, f"duplicate key; it was given on line {line} already")
            self._keys[inner] = _position(event.start_mark)
            mapping[key] = self._node(next(self._events), inner)
            if mapping[key] is None:  # the parser places an empty value at the next token, perhaps lines below
                self._values[inner] = self._keys[inner]
        return mapping

    def _key(self, event: Event, path: KeyPath) -> str:
        self._refuse_references(event, path)
        if not isinstance(event, ScalarEvent):
            raise self._refused(event, path, "a key must be text; got a list or a mapping")
        return self._text(event, path)

    def _sequence(self, path: KeyPath) -> list[Value]:
        items: list[Value] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _scalar(self, event: ScalarEvent, path: KeyPath) -> Value:
        text = self._text(event, path)
        return plain_value(text) if event.style is None else text

    def _text(self, event: ScalarEvent, path: KeyPath) -> str:
        if _SURROGATE.search(event.value):
            raise self._refused(event, path, "half of a surrogate pair is not text; write the character itself")
        return str(event.value)
