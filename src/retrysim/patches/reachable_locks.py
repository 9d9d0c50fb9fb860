"""Walks from a module through what it names, as deep as it goes, to the locks that hang there.

Through attributes, slots, dicts, lists, tuples, sets and the variables of closures; not into objects of the libraries
that are left alone, and never by code of an object's own (a lazy one would be evaluated).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from gc import is_tracked
from itertools import islice
from types import CellType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from retrysim.undo import UndoStack

#: By which a real thread is joined.
OF_THE_INTERPRETER = "_tstate_lock"
_FIXED: Any = (tuple, set, frozenset)
_CHANGED: Any = (dict, list, deque)
_CONTAINERS: Any = (*_CHANGED, *_FIXED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lock hangs: in ``owner`` (an object, class, module or a closure's cell), or as an ``item`` of it."""

    owner: Any
    key: Any
    label: str
    item: bool = False

    def put(self, undo: UndoStack, lock: object) -> None:
        """Hang another one there, if that is possible; undone, unless there is something else by then."""
        before = self.value
        if not (self.item and issubclass(type(self.owner), _FIXED)):
            self._set(lock)
            undo.then(lambda: self._set(before) if self.value is lock else None)

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
        return _attributes(owner).get(key)

    def _set(self, value: object) -> None:
        owner, key, kind = self.owner, self.key, type(self.owner)
        if kind is CellType:
            owner.cell_contents = value
        elif self.item:
            next(base for base in _CHANGED if issubclass(kind, base)).__setitem__(owner, key, value)
        elif issubclass(kind, type):
            setattr(owner, key, value)
        elif key in (own := _dict_of(owner)):
            own[key] = value  # into its dict: its class may forbid what it does not know
        else:
            object.__setattr__(owner, key, value)


def locks_below(
    module: ModuleType, kinds: tuple[type, ...], is_left_alone: Callable[[str], bool], seen: set[int]
) -> Iterator[Place]:
    """The places of objects of these kinds, in the order of their depth, and of their names.

    What has been ``seen`` on the way from other modules is not looked at again.
    """
    todo: deque[tuple[Any, _Path]] = deque([(module, (module.__name__, None))])
    while todo:
        value, path = todo.popleft()
        for owner, key, name, member in _members(value):
            if not is_tracked(member) or id(member) in seen:  # numbers and texts are not
                continue
            kind = type(member)
            if issubclass(kind, kinds):  # each place of one that hangs in several
                yield Place(owner, key, _label((name, path)), item=not name.startswith("."))
                continue
            seen.add(id(member))
            if not _is_closed(kind, member, is_left_alone):
                todo.append((member, (name, path)))


#: The names that lead to something, the last one first.
_Path = tuple[str, "_Path | None"]
_Member = tuple[Any, Any, str, Any]  # an owner, the key under which it holds something, how that is written, and what


def _label(path: _Path | None) -> str:
    names = []
    while path is not None:
        names.append(path[0])
        path = path[1]
    return "".join(reversed(names))


def _is_closed(kind: type, value: Any, is_left_alone: Callable[[str], bool]) -> bool:
    if kind in (FunctionType, MethodType) or issubclass(kind, _CONTAINERS):
        return False
    home = vars(value).get("__module__") if issubclass(kind, type) else kind.__module__
    return issubclass(kind, ModuleType) or not isinstance(home, str) or is_left_alone(home)


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
    if kind not in _CONTAINERS:
        for name, member in _attributes(value).items():
            if name != OF_THE_INTERPRETER:
                yield value, name, f".{name}", member


def _iterator_of(kind: type) -> Any:
    """How the interpreter goes through a container, whatever its class has made of that."""
    return next(base for base in _CONTAINERS if issubclass(kind, base)).__iter__


def _of_function(value: FunctionType) -> Iterator[_Member]:
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            yield cell, None, f".{name}", cell.cell_contents
        except ValueError:  # not bound yet
            continue


def _attributes(value: Any) -> dict[str, Any]:
    """What the object itself holds under a name, without asking it."""
    kind: Any = type(value)
    found = dict(_dict_of(value))
    for name, slot in _slots(kind):
        try:
            found[name] = slot.__get__(value)
        except AttributeError:  # empty
            continue
    return found


def _dict_of(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    held: dict[str, Any]
    if issubclass(kind, type | ModuleType):
        held = vars(value)
    else:
        descriptor = _dict_descriptor(kind)
        held = {} if descriptor is None else descriptor.__get__(value)
    return held


@lru_cache(1024)
def _dict_descriptor(kind: Any) -> Any:
    """The interpreter's own; a class's own ``__dict__`` (of a proxy, say) is none."""
    found = next((vars(base)["__dict__"] for base in kind.__mro__ if "__dict__" in vars(base)), None)
    return found if isinstance(found, GetSetDescriptorType) else None


@lru_cache(1024)
def _slots(kind: Any) -> tuple[tuple[str, Any], ...]:
    if issubclass(kind, type | ModuleType | FunctionType | MethodType):  # a function's globals are its module's
        return ()
    members = [(name, member) for base in kind.__mro__ for name, member in vars(base).items()]
    return tuple((name, member) for name, member in members if isinstance(member, MemberDescriptorType))
