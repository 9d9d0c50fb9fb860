"""Walks from a module through what it names, as deep as it goes, to what is wanted: locks, or functions.

Through attributes, slots, dicts, lists, tuples, sets, partials and the variables of closures; not into objects of the
libraries that are left alone, and never by code of an object's own (a lazy one would be evaluated).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from gc import is_tracked
from itertools import islice
from types import CellType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from retrysim.patches.asking_nothing import bases_of, home_of, name_of, names_of, names_of_class, text_of
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
#: How many members of one object are looked at, and how many of all that a module leads to: a cache can be large.
_OF_ONE, _ALL = 10_000, 100_000
#: By which a real thread is joined.
OF_THE_INTERPRETER = "_tstate_lock"
_FIXED: Any = (tuple, set, frozenset)
_CHANGED: Any = (dict, list, deque)
_CONTAINERS: Any = (*_CHANGED, *_FIXED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something hangs: in ``owner`` (an object, class, module or a closure's cell), or as an ``item`` of it."""

    owner: Any
    key: Any
    label: str
    item: bool = False

    def put(self, undo: UndoStack, lock: object) -> None:
        """Hang another one there, if that is possible; undone, unless there is something else by then."""
        before = self.value
        if self.put_for_good(lock):
            undo.then(lambda: self._set(before) if self.value is lock else None)

    def put_for_good(self, value: object) -> bool:
        """Hang something else there; says whether that is possible."""
        if self.item and issubclass(type(self.owner), _FIXED):
            return False
        self._set(value)
        return True

    @property
    def value(self) -> Any:
        """What hangs there now."""
        owner, key, kind = self.owner, self.key, type(self.owner)
        if kind is CellType:
            return owner.cell_contents
        if self.item and issubclass(kind, dict):
            return dict.get(owner, key)
        if self.item:
            return next(islice(_iterator_of(kind)(owner), key, None), None)
        return attributes_of(owner).get(key)

    def _set(self, value: object) -> None:
        owner, key, kind = self.owner, self.key, type(self.owner)
        if kind is CellType:
            owner.cell_contents = value
        elif self.item:
            next(base for base in _CHANGED if issubclass(kind, base)).__setitem__(owner, key, value)
        elif kind is partial:
            owner.__setstate__((value, owner.args, owner.keywords, owner.__dict__ or None))
        elif issubclass(kind, type):
            setattr(owner, key, value)
        elif key in (own := held_by(owner)):
            own[key] = value  # into its dict: its class may forbid what it does not know
        else:
            object.__setattr__(owner, key, value)


def places_below(
    module: ModuleType, is_wanted: Callable[[Any, type], bool], is_left_alone: Callable[[str], bool], seen: set[int]
) -> Iterator[Place]:
    """The places of what is wanted (asked with the object and its type), in the order of their depth and their names.

    What has been ``seen`` on the way from other modules is not looked at again.
    """
    todo: deque[tuple[Any, _Path]] = deque([(module, (name_of(module), None))])
    looked = 0
    while todo and looked < _ALL:
        value, path = todo.popleft()
        for owner, key, name, member in islice(_members(value), _OF_ONE):
            looked += 1
            if not is_tracked(member) or id(member) in seen:  # numbers and texts are not
                continue
            kind = type(member)
            if is_wanted(member, kind):  # each place of one that hangs in several
                yield Place(owner, key, _label((name, path)), item=not name.startswith("."))
                continue
            seen.add(id(member))
            if not _leads_nowhere(kind, member, is_left_alone):
                todo.append((member, (name, path)))


def is_left_alone(module_name: str) -> bool:
    """Whether a module is the standard library's, or one that a simulation stands on."""
    return _root(module_name) in _LEFT_ALONE or module_name == "builtins"


def is_closed(module_name: str) -> bool:
    """Whether objects of this module's classes are no way into the depth."""
    return is_left_alone(module_name) or _root(module_name) in _NOT_ENTERED


def _root(module_name: str) -> str:
    return module_name.partition(".")[0]


#: The names that lead to something, the last one first.
_Path = tuple[str, "_Path | None"]
_Member = tuple[Any, Any, str, Any]  # an owner, the key under which it holds something, how that is written, and what


def _label(path: _Path | None) -> str:
    names = []
    while path is not None:
        names.append(path[0])
        path = path[1]
    return "".join(reversed(names))


def _leads_nowhere(kind: type, value: Any, is_left_alone: Callable[[str], bool]) -> bool:
    if kind is FunctionType:
        holds_nothing = value.__closure__ is None and not value.__dict__
        # a stand-in of ours holds the real one
        return holds_nothing or _root(text_of(value.__globals__.get("__name__"))) == "retrysim"
    if kind is MethodType or kind is partial or issubclass(kind, _CONTAINERS):
        return False
    home = home_of(value if issubclass(kind, type) else kind)
    return issubclass(kind, ModuleType) or not home or is_left_alone(home)


def _members(value: Any) -> Iterator[_Member]:
    kind = type(value)
    if issubclass(kind, dict):
        for key, member in list(dict.items(value)):
            yield value, key, f"[{key!r}]" if type(key) in (str, int) else "[...]", member
    elif issubclass(kind, _CONTAINERS):
        for index, member in enumerate(list(_iterator_of(kind)(value))):
            yield value, index, f"[{index}]", member
    elif kind is FunctionType:
        yield from _of_function(value)
    elif kind is MethodType:
        yield (value.__self__,), 0, "[self]", value.__self__
        yield (value.__func__,), 0, "[function]", value.__func__
    if not any(kind is container for container in _CONTAINERS):
        for name, member in attributes_of(value).items():
            if name != OF_THE_INTERPRETER:
                yield value, name, f".{name}", member


def members_of(value: Any, kind: type, most: int) -> list[tuple[Any, Any]]:
    """The first items of a container, each with its key or its index."""
    iterate = dict.items if issubclass(kind, dict) else _iterator_of(kind)
    first = islice(iterate(value), most)
    return list(first if issubclass(kind, dict) else enumerate(first))


def size_of(value: Any, kind: type) -> int:
    """How many items a container has."""
    size: int = next(base for base in _CONTAINERS if issubclass(kind, base)).__len__(value)
    return size


def _iterator_of(kind: type) -> Any:
    """How the interpreter goes through a container, whatever its class has made of that."""
    return next(base for base in _CONTAINERS if issubclass(kind, base)).__iter__


def _of_function(value: FunctionType) -> Iterator[_Member]:
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            yield cell, None, f".{name}", cell.cell_contents
        except ValueError:  # not bound yet
            continue


def attributes_of(value: Any) -> dict[str, Any]:
    """What the object itself holds under a name, without asking it."""
    kind: Any = type(value)
    found = dict(held_by(value))
    for name, slot in _slots(KindKey(kind)):
        try:
            found[name] = slot.__get__(value)
        except (AttributeError, TypeError):  # empty; or another class's, for which there is no place here
            continue
    return found


def held_by(value: Any) -> dict[str, Any]:
    """What is in an object's own ``__dict__``, if it has one of the interpreter's."""
    kind: Any = type(value)
    held: dict[str, Any]
    if issubclass(kind, ModuleType):
        held = names_of(value)
    elif issubclass(kind, type):
        held = names_of_class(value)
    else:
        descriptor = _dict_descriptor(KindKey(kind))
        held = {} if descriptor is None else descriptor.__get__(value)
    return held


class KindKey:
    """A class as a key: compared by identity, whatever its metaclass says."""

    __slots__ = ("kind",)

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __hash__(self) -> int:
        return id(self.kind)

    def __eq__(self, other: object) -> bool:
        return type(other) is KindKey and other.kind is self.kind

    @property
    def names(self) -> Iterator[tuple[str, Any]]:
        """What its bases hold, from itself to ``object``."""
        return ((name, member) for base in bases_of(self.kind) for name, member in names_of_class(base).items())


@lru_cache(1024)
def _dict_descriptor(key: KindKey) -> Any:
    """The interpreter's own; a class's own ``__dict__`` (of a proxy, say) is none."""
    found = next((member for name, member in key.names if name == "__dict__"), None)
    return found if type(found) is GetSetDescriptorType else None


@lru_cache(1024)
def _slots(key: KindKey) -> tuple[tuple[str, Any], ...]:
    kind = key.kind
    if issubclass(kind, type | ModuleType | FunctionType | MethodType):  # a function's globals are its module's
        return ()
    return tuple((name, member) for name, member in key.names if type(member) is MemberDescriptorType)
