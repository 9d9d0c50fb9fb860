"""The modules that are loaded, and when each was found to have changed: most of them never do.

A simulation looks for clocks, locks and functions in all of them. A module is searched when it is new, and again when a
name in it was bound or deleted since; the simulation's own replacements, which it undoes, are no such change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, Generic, TypeVar

from retrysim.patches.asking_nothing import is_module, names_of, text_of
from retrysim.patches.dict_versions import Version, version_of
from retrysim.undo import UndoStack

T = TypeVar("T")


class Loaded:
    """One entry of ``sys.modules``."""

    __slots__ = ("_seen", "changed_at", "index", "module", "name", "names", "version")

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.module = module
        self.names = names_of(module)
        self.version = version_of(self.names)
        #: the ``stamp`` of ``LoadedModules`` at which it was new, or was last found to have changed
        self.changed_at = 0
        self.index = 0
        self._seen: _Seen | None = None

    def is_another(self, reals: Reals) -> bool:
        """Whether its names are bound to other things than when this was asked last; the first time it is."""
        before, self._seen = self._seen, _seen(self.names, reals)
        return before is None or before[:2] != self._seen[:2]


#: Names, the identities of their values, and those that may be made anew at the same address, which are kept till then.
_Seen = tuple[list[str], list[int], list[object]]


#: The ids of what a simulation has put into the place of something, and of that.
Reals = dict[int, int]


def _seen(names: dict[str, Any], reals: Reals) -> _Seen:
    values = list(names.values())
    ids = [reals.get(id(value), id(value)) for value in values]
    kept = [v for v in values if issubclass(type(v), (FunctionType, type)) and id(v) not in reals]
    return list(names), ids, kept


class LoadedModules:
    """All of them, as they were at the last ``refresh``."""

    def __init__(self) -> None:
        self.all: list[Loaded] = []
        #: how often something was found to have changed
        self.stamp = 0
        self._list: dict[str, ModuleType] = {}
        self._list_version, self._list_value = version_of(self._list), -1
        self._versions: list[Version] = []
        self._values: list[int] = []
        self._reals: Reals = {}

    def know(self, undo: UndoStack, stand_ins: Mapping[int, object]) -> None:
        """Until the unwinding, what stands for a thing with one of these ids is that thing to whoever compares."""
        for real, stand_in in stand_ins.items():
            undo.set_item(self._reals, id(stand_in), real)

    def refresh(self) -> None:
        """Note what has come, gone and changed."""
        if sys.modules is not self._list or self._list_version.value != self._list_value:
            self._list_again()
        before = self._values
        self.accept()
        if before != self._values:
            changed = [one for one in self.all if before[one.index] != self._values[one.index]]
            self._mark([one for one in changed if one.is_another(self._reals)])

    def accept(self) -> None:
        """What has changed since the last ``refresh`` is the simulation's own doing."""
        self._values = [version.value for version in self._versions]

    def _list_again(self) -> None:
        if sys.modules is not self._list:
            self._list, self._list_version = sys.modules, version_of(sys.modules)
        self._list_value = self._list_version.value
        before, values = {one.name: one for one in self.all}, self._values
        self.all, self._values, new = [], [], []
        for name, module in list(self._list.items()):
            if not text_of(name) or not is_module(module):
                continue
            one = before.get(name)
            if one is None or one.module is not module:
                one = Loaded(name, module)
                new.append(one)
                self._values.append(one.version.value)
            else:
                self._values.append(values[one.index])
            one.index = len(self.all)
            self.all.append(one)
        self._versions = [one.version for one in self.all]
        self._mark(new)
        self.stamp += 1  # also when some are gone

    def _mark(self, changed: list[Loaded]) -> None:
        if changed:
            self.stamp += 1
        for one in changed:
            one.changed_at = self.stamp


@contextmanager
def unnoticed(undo: UndoStack) -> Iterator[None]:
    """What is replaced inside, and is put back by ``undo``, does not let modules be searched again."""
    loaded = loaded_modules()
    loaded.refresh()
    undo.callback(loaded.accept)
    yield
    loaded.accept()
    undo.callback(loaded.refresh)


@cache
def loaded_modules() -> LoadedModules:
    """Those of this interpreter."""
    return LoadedModules()


class Findings(Generic[T]):
    """What ``search`` finds in each loaded module (``None``: nothing); it is called again where something changed.

    As of the last ``refresh``.
    """

    def __init__(self, search: Callable[[Loaded], T | None]) -> None:
        self._search = search
        self._loaded = loaded_modules()
        self._stamp = 0
        self._found: dict[Loaded, T] = {}

    def all(self) -> list[tuple[Loaded, T]]:
        """The modules in which something is found, in the order of their loading, and what."""
        if self._stamp != self._loaded.stamp:
            before, since, found = self._found, self._stamp, {}
            for one in self._loaded.all:
                finding = self._search(one) if one.changed_at > since else before.get(one)
                if finding is not None:
                    found[one] = finding
            self._found, self._stamp = found, self._loaded.stamp
        return list(self._found.items())
