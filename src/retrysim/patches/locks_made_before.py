"""Finds locks that were made before the simulation, where a name leads to them, and puts ours in their place.

``with LOCK:`` calls the interpreter's own type, which cannot be patched. So every global of a module, attribute of a
class and attribute of an object that a global names is looked at, once; the standard library, and the libraries that
a simulation stands on, are left alone.
"""

from __future__ import annotations

import sys
import threading
from _thread import LockType, RLock
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from retrysim.patches.locks import Lock, Locks, stand_in
from retrysim.patches.locks import RLock as OurRLock
from retrysim.undo import UndoStack

_LEFT_ALONE = frozenset(sys.stdlib_module_names) | {
    "_pytest", "pytest", "pluggy", "xdist", "execnet", "hypothesis", "retrysim", "freezegun", "greenlet", "celery",
    "kombu", "billiard", "vine", "amqp", "redis", "fakeredis", "click", "rich", "pydantic", "ruamel", "yaml",
    "sentry_sdk", "opentelemetry", "ddtrace", "newrelic", "elasticapm", "prometheus_client", "datadog",
}  # fmt: skip
_LOCKS = (LockType, RLock, Lock, OurRLock)  # ours: of a module that was imported in an earlier simulation
_KINDS = (*_LOCKS, threading.Condition)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a lock hangs: an object (or a mapping of globals) and the name it has there."""

    owner: Any
    name: str
    label: str


def replace_locks_made_before(undo: UndoStack, locks: Locks) -> None:
    """Let every lock that can be reached by name be one of the simulation, until ``undo`` is unwound."""
    ours: dict[int, Lock | OurRLock] = {}

    def ours_for(real: Any, label: str) -> Lock | OurRLock:
        if id(real) not in ours:
            ours[id(real)] = stand_in(locks, real, label)
        return ours[id(real)]

    for module in _modules():
        for place in _places_of(module, len(vars(module))):
            value = vars(place.owner).get(place.name)
            if isinstance(value, threading.Condition):
                _rewire(undo, value, ours_for(value._lock, place.label))  # type: ignore[attr-defined]
            elif type(value) in _LOCKS:
                _put(undo, place, ours_for(value, place.label))


def _put(undo: UndoStack, place: _Place, lock: Lock | OurRLock) -> None:
    if isinstance(place.owner, type):
        undo.set_attribute(place.owner, place.name, lock)
    else:  # into its dict: its class may forbid what it does not know
        undo.set_item(vars(place.owner), place.name, lock)


def _modules() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and not _is_left_alone(name):
            yield module


@cache
def _places_of(module: ModuleType, _size: int) -> tuple[_Place, ...]:
    """Looked for again when the module has more names, or fewer."""
    return tuple(_search(module))


def _search(module: ModuleType) -> Iterator[_Place]:
    for name, value in list(vars(module).items()):
        label, kind = f"{module.__name__}.{name}", type(value)
        if issubclass(kind, _KINDS):
            yield _Place(module, name, label)
        elif issubclass(kind, type):
            if value.__module__ == module.__name__:
                yield from _locks_in(value, label)
        elif not issubclass(kind, ModuleType | FunctionType) and not _is_left_alone(kind.__module__):
            yield from _locks_in(value, label)


def _is_left_alone(module_name: str) -> bool:
    return module_name.partition(".")[0] in _LEFT_ALONE or module_name == "builtins"


def _locks_in(owner: Any, label: str) -> Iterator[_Place]:
    try:
        attributes = list(vars(owner).items())
    except Exception:  # without a __dict__; or a proxy, of something that is not there
        return
    for name, value in attributes:
        if issubclass(type(value), _KINDS):
            yield _Place(owner, name, f"{label}.{name}")


def _rewire(undo: UndoStack, condition: threading.Condition, lock: Lock | OurRLock) -> None:
    """Let a condition use another lock: it has copied the methods of its own."""
    attributes = vars(condition)
    undo.set_item(attributes, "_lock", lock)
    for name in ("acquire", "release", "_release_save", "_acquire_restore", "_is_owned"):
        if hasattr(lock, name):
            undo.set_item(attributes, name, getattr(lock, name))
        else:
            undo.remove_item(attributes, name)
