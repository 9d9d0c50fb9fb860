"""Finds locks that were made before the simulation, where a name leads to them, and puts ours in their place.

``with LOCK:`` calls the interpreter's own type, which cannot be patched. So the modules of the project are searched to
their depth, before each simulation. Of an installed library every global, attribute of a class and attribute of an
object that a global names is looked at, once; the standard library, and the libraries that a simulation stands on, are
left alone.
"""

from __future__ import annotations

import threading
from _thread import LockType, RLock
from collections.abc import Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from retrysim.patches.asking_nothing import home_of, name_of, names_of
from retrysim.patches.loaded import Findings, Loaded
from retrysim.patches.locks import Lock, Locks, stand_in
from retrysim.patches.locks import RLock as OurRLock
from retrysim.patches.own_places import is_own, own_places
from retrysim.patches.reachable import OF_THE_INTERPRETER, Place, held_by, is_left_alone
from retrysim.undo import UndoStack

_LOCKS = (LockType, RLock, Lock, OurRLock)  # ours: of a module that was imported in an earlier simulation
_KINDS = (*_LOCKS, threading.Condition)


def replace_locks_made_before(undo: UndoStack, locks: Locks) -> None:
    """Let every lock that can be reached by name be one of the simulation, until ``undo`` is unwound."""
    ours: dict[int, Lock | OurRLock] = {}

    def ours_for(real: Any, label: str) -> Lock | OurRLock:
        if id(real) not in ours:
            ours[id(real)] = stand_in(locks, real, label)
        return ours[id(real)]

    found = {**dict(_findings().all()), **own_places().of_kinds(_KINDS)}
    for _, places in sorted(found.items(), key=lambda each: each[0].index):  # the label is that of the first place
        for place in places:
            value = place.value
            if isinstance(value, threading.Condition):
                _rewire(undo, value, ours_for(value._lock, place.label))  # type: ignore[attr-defined]
            elif type(value) in _LOCKS:
                place.put(undo, ours_for(value, place.label))


@cache
def _findings() -> Findings[tuple[Place, ...]]:
    return Findings(_places_in)


def _places_in(one: Loaded) -> tuple[Place, ...] | None:
    if is_left_alone(one.name) or is_own(one):
        return None
    return tuple(_search(one.module)) or None


def _search(module: ModuleType) -> Iterator[Place]:
    own_name = name_of(module)
    for name, value in list(names_of(module).items()):
        label, kind = f"{own_name}.{name}", type(value)
        if issubclass(kind, _KINDS):
            yield Place(module, name, label)
        elif issubclass(kind, type):
            if home_of(value) == own_name:
                yield from _locks_in(value, label)
        elif not issubclass(kind, ModuleType | FunctionType) and (home := home_of(kind)) and not is_left_alone(home):
            yield from _locks_in(value, label)


def _locks_in(owner: Any, label: str) -> Iterator[Place]:
    for name, value in list(held_by(owner).items()):
        if issubclass(type(value), _KINDS) and name != OF_THE_INTERPRETER:
            yield Place(owner, name, f"{label}.{name}")


def _rewire(undo: UndoStack, condition: threading.Condition, lock: Lock | OurRLock) -> None:
    """Let a condition use another lock: it has copied the methods of its own."""
    attributes = vars(condition)
    undo.set_item(attributes, "_lock", lock)
    for name in ("acquire", "release", "_release_save", "_acquire_restore", "_is_owned"):
        if hasattr(lock, name):
            undo.set_item(attributes, name, getattr(lock, name))
        else:
            undo.remove_item(attributes, name)
