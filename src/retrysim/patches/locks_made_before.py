"""Finds locks that were made before the simulation, where a name leads to them, and puts ours in their place.

``with LOCK:`` calls the interpreter's own type, which cannot be patched. So the modules of the project are searched to
their depth, before each simulation. Of an installed library every global, attribute of a class and attribute of an
object that a global names is looked at, once; the standard library, and the libraries that a simulation stands on, are
left alone.
"""

from __future__ import annotations

import sys
import threading
from _thread import LockType, RLock
from collections.abc import Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from retrysim.patches.locks import Lock, Locks, stand_in
from retrysim.patches.locks import RLock as OurRLock
from retrysim.patches.places import is_installed
from retrysim.patches.reachable_locks import OF_THE_INTERPRETER, Place, locks_below
from retrysim.undo import UndoStack

_LEFT_ALONE = frozenset(sys.stdlib_module_names) | {
    "_pytest", "pytest", "pluggy", "xdist", "execnet", "hypothesis", "retrysim", "freezegun", "greenlet", "celery",
    "kombu", "billiard", "vine", "amqp", "redis", "fakeredis", "click", "rich", "pydantic", "ruamel", "yaml",
    "sentry_sdk", "opentelemetry", "ddtrace", "newrelic", "elasticapm", "prometheus_client", "datadog",
}  # fmt: skip
#: What else is not entered on the way into the depth: large, and its locks are its own.
_NOT_ENTERED = frozenset(
    {"django", "sqlalchemy", "numpy", "pandas", "scipy", "torch", "tensorflow", "boto3", "botocore"}
)
_LOCKS = (LockType, RLock, Lock, OurRLock)  # ours: of a module that was imported in an earlier simulation
_KINDS = (*_LOCKS, threading.Condition)


def replace_locks_made_before(undo: UndoStack, locks: Locks) -> None:
    """Let every lock that can be reached by name be one of the simulation, until ``undo`` is unwound."""
    ours: dict[int, Lock | OurRLock] = {}
    seen: set[int] = set()

    def ours_for(real: Any, label: str) -> Lock | OurRLock:
        if id(real) not in ours:
            ours[id(real)] = stand_in(locks, real, label)
        return ours[id(real)]

    for module in _modules():
        for place in _places_of(module, len(vars(module))) if is_installed(module) else _below(module, seen):
            value = place.value
            if isinstance(value, threading.Condition):
                _rewire(undo, value, ours_for(value._lock, place.label))  # type: ignore[attr-defined]
            elif type(value) in _LOCKS:
                place.put(undo, ours_for(value, place.label))


def _below(module: ModuleType, seen: set[int]) -> list[Place]:
    """All of them, before the first of them is replaced."""
    return list(locks_below(module, _KINDS, lambda name: _is_left_alone(name) or _root(name) in _NOT_ENTERED, seen))


def _modules() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and not _is_left_alone(name):
            yield module


@cache
def _places_of(module: ModuleType, _size: int) -> tuple[Place, ...]:
    """Looked for again when the module has more names, or fewer."""
    return tuple(_search(module))


def _search(module: ModuleType) -> Iterator[Place]:
    for name, value in list(vars(module).items()):
        label, kind = f"{module.__name__}.{name}", type(value)
        if issubclass(kind, _KINDS):
            yield Place(module, name, label)
        elif issubclass(kind, type):
            if value.__module__ == module.__name__:
                yield from _locks_in(value, label)
        elif not issubclass(kind, ModuleType | FunctionType) and not _is_left_alone(kind.__module__):
            yield from _locks_in(value, label)


def _is_left_alone(module_name: str) -> bool:
    return _root(module_name) in _LEFT_ALONE or module_name == "builtins"


def _root(module_name: str) -> str:
    return module_name.partition(".")[0]


def _locks_in(owner: Any, label: str) -> Iterator[Place]:
    try:
        attributes = list(vars(owner).items())
    except Exception:  # without a __dict__; or a proxy, of something that is not there
        return
    for name, value in attributes:
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
