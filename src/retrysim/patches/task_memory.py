"""What a function keeps in the memory of its process: the state that it reaches by names, from module to attribute.

State is data of the project's own modules, closures, classes and objects, and of libraries that keep limits, breakers
and caches. Objects of other libraries (clients, sessions, pools, loggers) are not looked at: what they count and create
as they go is theirs. Neither is what belongs to the tests. No code of an object's own runs.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from importlib.util import resolve_name
from types import FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

from retrysim.patches.asking_nothing import bases_of, home_of, is_module, names_of, names_of_class, text_of
from retrysim.patches.homes import Home, home_of_kind, home_of_module, root_of
from retrysim.patches.names_in_code import ITSELF, Uses, uses_of
from retrysim.patches.places import is_installed
from retrysim.patches.reachable import KindKey, attributes_of, held_by, members_of, size_of

#: Of a library, what the names of the only attributes that count end with: a cache also counts clients that it keeps.
_ONLY = {"cachetools": ("data", "cache", "wrapped__")}
#: By identity, since a class is compared as its metaclass says.
_PLAIN = frozenset(map(id, (int, float, complex, str, bytes, bool, type(None), Decimal, UUID, timedelta)))
_MOMENTS: Any = (date, time)
_CONTAINERS: Any = (dict, list, deque, tuple, set, frozenset)
#: How much is looked at: of one container, and in all; and how deep.
_OF_ONE, _ALL, _DEPTH = 200, 3_000, 12


@dataclass(frozen=True, slots=True)
class Leaf:
    """One thing that is kept: its value (``_THERE`` for what has parts), and where."""

    value: Any
    #: the name by which a person finds it: ``shop.limiter``
    root: str
    #: the container of which it is an item, if it is one
    container: str | None
    #: the name by which the project's code refers to it; ``None`` where a library does
    name: str | None
    is_data: bool


#: Place (as text) -> what is kept there.
Memory = dict[str, Leaf]

_THERE = object()
_OF_A_DATE = tuple(vars(date)[name].__get__ for name in ("year", "month", "day"))
_OF_A_TIME = ("hour", "minute", "second", "microsecond")


def memory_of(task: Any) -> Memory:
    """What a task's class and methods keep in memory, as it is now."""
    walk = _Walk()
    walk.task(task)
    return {place: leaf for place, leaf in walk.found.items() if leaf.name is None or leaf.name in walk.read}


def changed_roots(before: Memory, after: Memory) -> list[str]:
    """The names of what was changed in between; what was only created or filled for the first time is not."""
    roots = [leaf.root for place, leaf in after.items() if _is_changed(before, place, leaf)]
    gone = [leaf for place, leaf in before.items() if place not in after and _was_added(after, leaf)]
    return list(dict.fromkeys([*roots, *(leaf.root for leaf in gone)]))


def _is_changed(before: Memory, place: str, now: Leaf) -> bool:
    was = before.get(place)
    if was is None:
        return _was_added(before, now)
    if was.value is _THERE or was.value is now.value:
        return False
    if not was.value and type(was.value) not in (int, float):  # None, False or "" was filled
        return False
    return type(was.value) is not type(now.value) or bool(was.value != now.value)


def _was_added(others: Memory, leaf: Leaf) -> bool:
    """Whether data was put into (or taken out of) a container that is on both sides."""
    container = None if leaf.container is None else others.get(leaf.container)
    return leaf.is_data and container is not None and container.value is _THERE


class _Walk:
    """From a function through the names that its code uses."""

    def __init__(self) -> None:
        self.found: Memory = {}
        #: names that code looks at
        self.read: set[str] = set()
        #: names that code has written out
        self._named_in_code: set[str] = set()
        #: the ids of modules' namespaces in which code reads, and writes, under names that it computes
        self._read_in: set[int] = set()
        self._written_in: set[int] = set()
        self._seen: set[tuple[int, frozenset[str]]] = set()
        #: what is held under names of which the code is to be known first
        self._later: deque[Callable[[], None]] = deque()

    def task(self, task: Any) -> None:
        """A task and the code of its class."""
        kind = type(task)
        self._class(kind, 0)
        if home_of_kind(kind) == "own":
            root = f"{home_of(kind)}.{names_of_class(kind).get('__qualname__', kind.__name__)}"
            self._object(task, kind, root, root, None, 0)
        while self._later:
            self._later.popleft()()

    def value(self, value: Any, place: str, root: str, name: str | None, container: str | None, depth: int) -> None:
        """Note what is there, and go on from it."""
        if depth > _DEPTH or len(self.found) >= _ALL:
            return
        kind = type(value)
        leaf = partial(Leaf, root=root, container=container, name=name)
        if id(kind) in _PLAIN or issubclass(kind, _MOMENTS) or issubclass(kind, Enum):
            self.found[place] = leaf(_comparable(value, kind), is_data=True)
        elif kind is FunctionType:
            self._function(value, depth + 1)
        elif kind is MethodType:
            self.value(value.__func__, place, root, name, None, depth + 1)
            self.value(value.__self__, f"{place}.self", root, name, None, depth + 1)
        elif kind is partial:
            for index, part in enumerate((value.func, *value.args)):
                self.value(part, f"{place}({index})", root, name, None, depth + 1)
        elif issubclass(kind, _CONTAINERS) and home_of_kind(kind) in ("own", "library"):
            self.found[place] = leaf(_THERE, is_data=container is not None and _is_data(value))
            self._members(value, kind, place, root, name, depth)
        elif issubclass(kind, type):
            self._class(value, depth)
        elif home_of_kind(kind) in ("own", "keeps"):
            self.found[place] = leaf(_THERE, is_data=container is not None and _is_data(value))
            self._object(value, kind, place, root, name, depth)
        else:
            self.found[place] = leaf(_THERE, is_data=False)

    def _members(self, value: Any, kind: type, place: str, root: str, name: str | None, depth: int) -> None:
        for key, member in _items(value, kind):
            self.value(member, f"{place}[{key}]", root, name, place, depth + 1)
        size = size_of(value, kind)
        if size > _OF_ONE:
            self.found[f"{place} size"] = Leaf(size, root, None, name, _is_data(value))

    # -- code ----------------------------------------------------------------------------------------------------------

    def _function(self, function: FunctionType, depth: int) -> None:
        if self._has_seen(function):
            return
        own_globals = function.__globals__
        home = home_of_module(text_of(own_globals.get("__name__")), text_of(own_globals.get("__file__")))
        place = f"{text_of(function.__module__)}.{function.__qualname__}"
        for name, variable in _closure(function):
            if home == "own" or _is_held_by_any(variable, home):
                used = name if home in ("own", "test") else None
                self.value(variable, f"{place}<{name}>", place, used, None, depth + 1)
        wrapped = held_by(function).get("__wrapped__")
        if type(wrapped) is FunctionType:
            self._function(wrapped, depth + 1)
        if home in ("own", "test"):
            self._globals(function, home, depth)
        if home == "own":
            self._own_parts(function, place, depth)

    def _own_parts(self, function: FunctionType, place: str, depth: int) -> None:
        """What hangs on a function of the project itself: its defaults, its attributes."""
        for index, default in enumerate(function.__defaults__ or ()):
            if issubclass(type(default), _CONTAINERS):
                self.value(default, f"{place}(default {index})", place, None, None, depth + 1)
        for name, member in list(held_by(function).items()):
            if not name.startswith("__"):
                self.value(member, f"{place}.{name}", place, name, None, depth + 1)

    def _globals(self, function: FunctionType, home: Home, depth: int) -> None:
        uses = uses_of(function.__code__)
        self.read |= uses.read
        self._named_in_code |= uses.names
        module = function.__globals__
        if home == "own" and (uses.read_in or uses.written_in):
            self._computed_names(module, uses, depth)
        self._named(module, text_of(module.get("__name__")), uses.names, home, depth)
        for level, name, wanted in uses.imports:
            self._module(_imported(level, name, module), uses.names | frozenset(wanted), depth)

    def _computed_names(self, module: dict[str, Any], uses: Uses, depth: int) -> None:
        """What hangs in a module under names that code computes, where it both reads and writes some."""
        for computed, known in ((uses.read_in, self._read_in), (uses.written_in, self._written_in)):
            known.update(id(held) for name in computed if (held := _namespace(module, name)) is not None)
        for name in sorted(uses.read_in | uses.written_in):
            held = _namespace(module, name)
            if held is not None and id(held) in self._read_in & self._written_in:
                self._later.append(partial(self._named_by_nobody, held, depth))

    def _named_by_nobody(self, held: dict[str, Any], depth: int) -> None:
        """The data of a module that no code names: only a name that is computed leads to it."""
        label = text_of(held.get("__name__"))
        for name in sorted(held.keys() - self._named_in_code):
            if not name.startswith("__") and _may_be_state(held[name]):
                root = f"{label}.{name}"
                self.value(held[name], root, root, None, None, depth + 1)

    def _named(self, held: Any, label: str, names: frozenset[str], home: Home, depth: int) -> None:
        """What a module holds under these names."""
        for name in sorted(names.intersection(held)):
            member = held[name]
            if is_module(member):
                self._module(member, names, depth)
            elif home == "own" or _is_held_by_any(member, home):
                root = f"{label}.{name}"
                self.value(member, root, root, name, None, depth + 1)

    def _module(self, module: ModuleType | None, names: frozenset[str], depth: int) -> None:
        if module is None or is_installed(module) or depth > _DEPTH or self._has_seen(module, names):
            return
        held = names_of(module)
        label = text_of(held.get("__name__"))
        self._named(held, label, names, home_of_module(label, text_of(held.get("__file__"))), depth + 1)

    # -- classes and their instances -----------------------------------------------------------------------------------

    def _class(self, kind: type, depth: int) -> None:
        """A class of the project, with the code of its methods: what its objects are made to do."""
        if self._has_seen(kind) or home_of_kind(kind) not in ("own", "test"):
            return
        held = dict(names_of_class(kind))
        for member in held.values():
            code = _code_in(member)
            if code is not None:
                self._function(code, depth + 1)
        if home_of_kind(kind) == "own" and not issubclass(kind, Enum):
            self._later.append(partial(self._of_class, kind, held, depth))
        for base in bases_of(kind)[1:]:
            self._class(base, depth + 1)

    def _of_class(self, kind: type, held: dict[str, Any], depth: int) -> None:
        label = f"{home_of(kind)}.{kind.__qualname__}"
        for name in sorted(self.read.intersection(held)):
            if _may_be_state(held[name]):
                self.value(held[name], f"{label}.{name}", label, name, None, depth + 1)

    def _object(self, value: Any, kind: type, place: str, root: str, name: str | None, depth: int) -> None:
        if self._has_seen(value):
            return
        home = home_of_kind(kind)
        if home == "own":
            self._class(kind, depth + 1)
            self._later.append(partial(self._attributes, value, kind, place, root, depth))
        else:
            self._attributes(value, kind, place, root, depth)
        if issubclass(kind, _CONTAINERS):
            self._members(value, kind, place, root, name, depth)

    def _attributes(self, value: Any, kind: type, place: str, root: str, depth: int) -> None:
        is_own, only = home_of_kind(kind) == "own", _attributes_that_count(KindKey(kind))
        for name, member in attributes_of(value).items():
            if _counts(name, only) and (not is_own or name in self.read):
                self.value(member, f"{place}.{name}", root, name if is_own else None, None, depth + 1)

    def _has_seen(self, value: Any, names: frozenset[str] = frozenset()) -> bool:
        key = id(value), names
        if key in self._seen:
            return True
        self._seen.add(key)
        return False


# -- values ------------------------------------------------------------------------------------------------------------


def _comparable(value: Any, kind: type) -> Any:
    """What stands for a value, compared by the interpreter's own code alone."""
    if issubclass(kind, Enum):
        return id(kind), id(value)
    if issubclass(kind, _MOMENTS):
        fields = [field(value) for field in _OF_A_DATE] if issubclass(kind, date) else []
        clock: Any = datetime if issubclass(kind, datetime) else time if issubclass(kind, time) else None
        return (*fields, *(vars(clock)[name].__get__(value) for name in _OF_A_TIME if clock is not None))
    return value


def _items(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    for key, member in members_of(value, kind, _OF_ONE):
        key = member if issubclass(kind, (set, frozenset)) else key
        yield (repr(key) if id(type(key)) in _PLAIN else str(id(key))), member


def _is_data(value: Any, depth: int = 4) -> bool:
    """Whether it is data through and through: no client, no function, nothing of another library."""
    kind = type(value)
    if id(kind) in _PLAIN or issubclass(kind, _MOMENTS) or issubclass(kind, Enum):
        return True
    if depth == 0:
        return False
    if issubclass(kind, _CONTAINERS):
        return all(_is_data(member, depth - 1) for _, member in _items(value, kind))
    if home_of_kind(kind) not in ("own", "keeps"):
        return False
    return all(_is_data(member, depth - 1) for member in attributes_of(value).values())


# -- where things come from --------------------------------------------------------------------------------------------


def _closure(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not bound yet
            continue


def _namespace(module: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The names of the project's module that code means by a name."""
    if name == ITSELF:
        return module
    member: Any = module.get(name)
    if not is_module(member):
        return None
    held = names_of(member)
    is_own = home_of_module(text_of(held.get("__name__")), text_of(held.get("__file__"))) == "own"
    return held if is_own else None


def _is_held_by_any(value: Any, home: Home) -> bool:
    """Whether it is to be looked at in a test, or in the closure of a library's decorator: state that is not theirs."""
    kind = type(value)
    if kind is FunctionType or kind is MethodType or kind is partial:
        return True
    if issubclass(kind, type):
        return home == "test"
    if issubclass(kind, _CONTAINERS) and home_of_kind(kind) == "library":
        return home == "keeps"
    return home_of_kind(kind) in ("own", "keeps")


def _code_in(member: Any) -> FunctionType | None:
    kind = type(member)
    if issubclass(kind, (staticmethod, classmethod)):
        member = member.__func__
    elif issubclass(kind, property):
        member = member.fget
    return member if type(member) is FunctionType else None


def _may_be_state(member: Any) -> bool:
    kind = type(member)
    if id(kind) in _PLAIN or issubclass(kind, (*_MOMENTS, Enum, *_CONTAINERS)):
        return True
    return not issubclass(kind, type) and home_of_kind(kind) in ("own", "keeps")


@lru_cache(1024)
def _attributes_that_count(key: KindKey) -> frozenset[str] | tuple[str, ...] | None:
    """The attributes of its objects that are looked at, or the ends of their names; ``None`` for all.

    Of a class that a library is below, those that the project's code names: the others are the library's.
    """
    kind = key.kind
    only = _ONLY.get(root_of(home_of(kind)))
    if only is not None:
        return only
    bases = bases_of(kind)[:-1]
    foreign = [base for base in bases if home_of_kind(base) == "library" and root_of(home_of(base)) not in _ABSTRACT]
    if home_of_kind(kind) != "own" or not foreign:
        return None
    own = [base for base in bases if home_of_kind(base) in ("own", "test")]
    codes = [_code_in(member) for base in own for member in list(names_of_class(base).values())]
    return frozenset().union(*(_named_in(code) for code in codes if code is not None))


def _counts(name: str, only: frozenset[str] | tuple[str, ...] | None) -> bool:
    return only is None or (name.endswith(only) if isinstance(only, tuple) else name in only)


#: Libraries whose classes give their heirs no state.
_ABSTRACT = frozenset({"abc", "typing", "typing_extensions", "collections", "builtins", "enum"})


def _named_in(function: FunctionType) -> frozenset[str]:
    return uses_of(function.__code__).names


def _imported(level: int, name: str, held: dict[str, Any]) -> ModuleType | None:
    """The module that a line ``import`` in a function means, if it is there."""
    try:
        full = resolve_name("." * level + name, text_of(held.get("__package__")) or None)
    except ImportError:
        return None
    module = sys.modules.get(full)
    return module if module is not None and is_module(module) else None
