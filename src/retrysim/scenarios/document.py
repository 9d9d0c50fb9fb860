"""A document as plain values that remember where each key and value was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from retrysim.errors import ScenarioError

#: What a document is made of: JSON's values.
Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"
#: The way to a value: ``("submit", 0, "task")``.
KeyPath = tuple[str | int, ...]

_BARE = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a file, counted from 1 as editors do; a column is a character."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The values of one file and the positions of its keys and values.

    A path may name steps that nobody wrote (the index of a single value where a list could stand, a default): they are
    skipped, so that every path has a position, if need be that of the nearest value around it.
    """

    file: str
    value: Value
    value_positions: Mapping[KeyPath, Position]
    key_positions: Mapping[KeyPath, Position]

    def written(self, path: KeyPath) -> KeyPath:
        """The path without the steps that the file does not have."""
        found: KeyPath = ()
        for step in path:
            if (*found, step) in self.value_positions:
                found = (*found, step)
        return found

    def position(self, path: KeyPath, *, of_key: bool = False) -> Position:
        """Where a value was written, or its key."""
        found = self.written(path)
        if of_key and found in self.key_positions:
            return self.key_positions[found]
        return self.value_positions[found]

    def where(self, path: KeyPath, *, of_key: bool = False) -> str:
        """``file:line:column`` of a value, or of its key."""
        return place(self.file, self.position(path, of_key=of_key))

    def error(self, path: KeyPath, message: str, *, of_key: bool = False) -> ScenarioError:
        """An error that begins with ``file:line:column`` and the key's full path."""
        key = spelled(self.written(path))
        return ScenarioError(": ".join(filter(None, (self.where(path, of_key=of_key), key, message))))


def place(file: str, position: Position) -> str:
    """``file:line:column``, which editors and terminals make a link of."""
    return f"{file}:{position.line}:{position.column}"


def spelled(path: KeyPath) -> str:
    """A path as people write it: ``submit[0].task``, ``expect.story["GET /items"]``."""
    return "".join(_step(step) for step in path).removeprefix(".")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _BARE.fullmatch(step) else "[" + repr(step) + "]"
