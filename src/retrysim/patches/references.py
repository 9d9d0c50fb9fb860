"""Finds what was captured: ``from time import sleep``, ``def wait(sleep=sleep)``, ``class Clock: now = time.time``.

Replacing ``time.sleep`` does not reach such a reference. Each module is searched once, and again when it changed; the
project's own are searched to their depth, for what hangs in a container, a partial, a closure or an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from types import FunctionType, ModuleType
from typing import Any

from retrysim.patches.asking_nothing import home_of, is_module, name_of, names_of, names_of_class
from retrysim.patches.loaded import Findings, Loaded, loaded_modules
from retrysim.patches.own_places import is_own, own_places
from retrysim.patches.reachable import Place, is_closed, places_below
from retrysim.undo import UndoStack

#: What stays real: the test runner's own time keeping, and ours.
REAL_MODULES = ("_pytest", "pytest_timeout", "xdist", "execnet", "freezegun", "retrysim.", "_hypothesis", "hypothesis.")

#: Where the interpreter's own threads and imports take their locks from, and what stands in for a class as a whole:
#: these modules are patched by hand, or not.
_INTERPRETER = frozenset({"_thread", "threading", "_imp", "_frozen_importlib", "importlib._bootstrap", "selectors"})

Stand = Mapping[int, object]  # id of the real thing -> what stands in for it


@dataclass(slots=True)
class _Found:
    """What one module holds: names (its own, and of its classes) that are bound to something watched, and functions
    with such defaults.
    """

    names: list[tuple[Any, str]] = field(default_factory=list)
    functions: list[FunctionType] = field(default_factory=list)


@lru_cache(8)
def _findings(watched: frozenset[int]) -> Findings[_Found]:
    return Findings(partial(_search, watched))


def _search(watched: frozenset[int], one: Loaded) -> _Found | None:
    """Where the module refers to what is watched; ``None`` if nowhere, or if it is left as it is."""
    if not _is_patched(one):
        return None
    found, own_name = _Found(), name_of(one.module)
    for name, value in list(one.names.items()):
        if id(value) in watched:
            found.names.append((one.module, name))
        elif type(value) is FunctionType:
            if _captures(value, watched):
                found.functions.append(value)
        elif issubclass(type(value), type) and home_of(value) == own_name:
            _search_class(watched, value, found)
    return found if found.names or found.functions else None


def _search_class(watched: frozenset[int], kind: type, found: _Found) -> None:
    for name, member in list(names_of_class(kind).items()):
        if id(member) in watched:
            found.names.append((kind, name))
        function = _unwrapped(member)
        if type(function) is FunctionType and _captures(function, watched):
            found.functions.append(function)


def _unwrapped(member: Any) -> Any:
    """Without asking the member: a lazy one (Django's settings) would be evaluated by ``isinstance``."""
    kind = type(member)
    if issubclass(kind, (staticmethod, classmethod)):
        return member.__func__
    return member.fget if issubclass(kind, property) else member


def _captures(function: FunctionType, watched: frozenset[int]) -> bool:
    positional, keyword = function.__defaults__, function.__kwdefaults__
    if positional is not None and not watched.isdisjoint(map(id, positional)):
        return True
    return keyword is not None and not watched.isdisjoint(map(id, keyword.values()))


def _is_patched(one: Loaded) -> bool:
    return not one.name.startswith(REAL_MODULES) and one.name not in _INTERPRETER


def replace_references(
    undo: UndoStack, stand_ins: Mapping[Any, object], *, only_as_names: Mapping[Any, object] | None = None
) -> None:
    """Let every captured reference to a key of ``stand_ins`` be its value, until ``undo`` is unwound.

    What is in ``only_as_names`` is replaced where it is a module's name, and nowhere else.
    """
    stands: Stand = {id(real): stand_in for real, stand_in in stand_ins.items()}
    as_names: Stand = {**stands, **{id(real): stand_in for real, stand_in in (only_as_names or {}).items()}}
    loaded_modules().know(undo, as_names)
    for _, found in _findings(frozenset(as_names)).all():
        _replace(undo, found, stands, as_names)
    deep = own_places().of_things({id(real): real for real in stand_ins})
    for place in chain.from_iterable(deep.values()):
        if (stand_in := stands.get(id(place.value))) is not None:  # else it is a name, and is replaced by now
            place.put(undo, stand_in)


def _replace(undo: UndoStack, found: _Found, stands: Stand, as_names: Stand) -> None:
    for owner, name in found.names:
        held = id(_held(owner).get(name))
        stand_in = as_names.get(held) if is_module(owner) else stands.get(held)
        if stand_in is not None:
            undo.set_attribute(owner, name, stand_in)
    for function in found.functions:
        _replace_defaults(undo, function, stands)


def restore_references_of_new_modules(undo: UndoStack, stand_ins: Mapping[Any, object]) -> None:
    """When ``undo`` is unwound, give the real things to modules that were imported, or filled, meanwhile."""
    loaded = loaded_modules()
    before = loaded.stamp

    def restore() -> None:
        reals: Stand = {id(stand_in): real for real, stand_in in stand_ins.items()}
        changed = [one for one in loaded.all if one.changed_at > before and _is_patched(one)]
        for one in changed:
            found = _search(frozenset(reals), one) or _Found()
            for owner, name in found.names:
                setattr(owner, name, reals[id(_held(owner)[name])])
            for function in found.functions:
                _exchange_defaults(function, reals)
        for place in _deep_places([one.module for one in changed if is_own(one)], reals):
            place.put_for_good(reals[id(place.value)])

    undo.then(restore)


def _held(owner: Any) -> Any:
    return names_of(owner) if is_module(owner) else names_of_class(owner)


def _deep_places(modules: Iterable[ModuleType], stands: Stand) -> list[Place]:
    """Where the project's modules hold one of these, below their names; the whole list before the first is replaced."""
    seen: set[int] = set()
    found = [place for m in modules for place in places_below(m, lambda value, _: id(value) in stands, is_closed, seen)]
    return [place for place in found if id(place.value) in stands]


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
