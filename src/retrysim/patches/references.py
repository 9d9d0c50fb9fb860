"""Finds what was captured by name or as a default argument: ``from time import sleep``, ``def wait(sleep=sleep)``.

Replacing ``time.sleep`` does not reach such a reference. Each module is searched once, and again when it changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, cast

from retrysim.undo import UndoStack

#: What stays real: the test runner's own time keeping, and ours.
REAL_MODULES = ("_pytest", "pytest_timeout", "xdist", "execnet", "freezegun", "retrysim.", "_hypothesis", "hypothesis.")

#: Where the interpreter's own threads and imports take their locks from: these modules are patched by hand, or not.
_INTERPRETER = frozenset({"_thread", "threading", "_imp", "_frozen_importlib", "importlib._bootstrap"})

Stand = Mapping[int, object]  # id of the real thing -> what stands in for it


@dataclass(slots=True)
class _Found:
    """What one module holds: names that are bound to something watched, functions with such defaults."""

    size: int
    names: list[str] = field(default_factory=list)
    functions: list[FunctionType] = field(default_factory=list)


@cache
def _finder(watched: tuple[int, ...]) -> _Finder:
    return _Finder(frozenset(watched))


class _Finder:
    """Remembers, per module, where the watched objects are referred to."""

    def __init__(self, watched: frozenset[int]) -> None:
        self._watched = watched
        self._found: dict[ModuleType, _Found] = {}

    def modules(self) -> Iterator[tuple[ModuleType, _Found]]:
        for module in _patched_modules():
            found = self._found.get(module)
            if found is None or found.size != len(vars(module)):
                found = self._found[module] = self.search(module)
            if found.names or found.functions:
                yield module, found

    def search(self, module: ModuleType) -> _Found:
        namespace = vars(module)
        found = _Found(len(namespace))
        for name, value in list(namespace.items()):
            if id(value) in self._watched:
                found.names.append(name)
            else:
                found.functions.extend(f for f in _functions(value, module.__name__) if self._captures(f))
        return found

    def _captures(self, function: FunctionType) -> bool:
        return any(id(value) in self._watched for value in _defaults(function))


def _functions(value: object, module_name: str) -> Iterable[FunctionType]:
    if _really_is(value, FunctionType):
        return (cast(FunctionType, value),)
    if _really_is(value, type) and vars(value).get("__module__") == module_name:
        return tuple(map(_unwrapped, filter(_is_function, list(vars(value).values()))))
    return ()


def _is_function(member: object) -> bool:
    return _really_is(_unwrapped(member), FunctionType)


def _unwrapped(member: Any) -> Any:
    if _really_is(member, (staticmethod, classmethod)):
        return member.__func__
    return member.fget if _really_is(member, property) else member


def _really_is(value: object, kinds: type | tuple[type, ...]) -> bool:
    """``isinstance`` asks the object, too, and a lazy one (Django's settings) would be evaluated by the question."""
    return issubclass(type(value), kinds)


def _defaults(function: FunctionType) -> Iterable[object]:
    return (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())


def _patched_modules() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and not name.startswith(REAL_MODULES) and name not in _INTERPRETER:
            yield module


def replace_references(undo: UndoStack, stand_ins: Mapping[Any, object]) -> None:
    """Let every captured reference to a key of ``stand_ins`` be its value, until ``undo`` is unwound."""
    stands: Stand = {id(real): stand_in for real, stand_in in stand_ins.items()}
    for module, found in _finder(tuple(sorted(stands))).modules():
        for name in found.names:
            stand_in = stands.get(id(vars(module).get(name)))
            if stand_in is not None:
                undo.set_attribute(module, name, stand_in)
        for function in found.functions:
            _replace_defaults(undo, function, stands)


def restore_references_of_new_modules(undo: UndoStack, stand_ins: Mapping[Any, object]) -> None:
    """When ``undo`` is unwound, give the real things to modules that were imported meanwhile."""
    before = set(_patched_modules())

    def restore() -> None:
        reals: Stand = {id(stand_in): real for real, stand_in in stand_ins.items()}
        finder = _Finder(frozenset(reals))
        for module in set(_patched_modules()) - before:
            found = finder.search(module)
            for name in found.names:
                setattr(module, name, reals[id(vars(module)[name])])
            for function in found.functions:
                _exchange_defaults(function, reals)

    undo.then(restore)


def _replace_defaults(undo: UndoStack, function: FunctionType, stands: Stand) -> None:
    positional, keyword = function.__defaults__, function.__kwdefaults__
    _exchange_defaults(function, stands)

    def restore() -> None:
        function.__defaults__ = positional
        function.__kwdefaults__ = keyword

    undo.then(restore)


def _exchange_defaults(function: FunctionType, stands: Stand) -> None:
    if function.__defaults__ is not None:
        function.__defaults__ = tuple(stands.get(id(value), value) for value in function.__defaults__)
    if function.__kwdefaults__ is not None:
        function.__kwdefaults__ = {k: stands.get(id(value), value) for k, value in function.__kwdefaults__.items()}
