"""Tells whether a dict has changed, without looking at what is in it.

CPython up to 3.13 counts the changes of every dict in a field of it (PEP 509), which no function of Python's gives: it
is read from where it lies. Where it is not found to work, the values themselves are looked at, which takes about 50
times as long.
"""

from __future__ import annotations

import ctypes
from functools import cache
from types import ModuleType
from typing import Any, Protocol

#: Where the field lies: after the head that every object has, and the number of entries.
_OFFSET = object.__basicsize__ + ctypes.sizeof(ctypes.c_ssize_t)
#: The interpreter replaces a store that is made often by a quicker one, which has to count, too.
_OFTEN = 100


class Version(Protocol):
    """``value`` is another one after each change of the dict. Whoever has it keeps the dict alive."""

    @property
    def value(self) -> int: ...


def version_of(namespace: dict[str, Any]) -> Version:
    """The version of a dict; read its ``value`` each time."""
    return _counted(namespace) if _is_counted() else _Compared(namespace)


def _counted(namespace: dict[str, Any]) -> Version:
    return ctypes.c_uint64.from_address(id(namespace) + _OFFSET)


class _Compared:
    """A version by the identity of all values."""

    __slots__ = ("_namespace",)

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    @property
    def value(self) -> int:
        return hash((tuple(self._namespace), tuple(map(id, self._namespace.values()))))


@cache
def _is_counted() -> bool:
    """Whether this interpreter counts each way in which a module's name is bound, bound anew and deleted."""
    module = ModuleType("counted")
    namespace: dict[str, Any] = vars(module)
    version = _counted(namespace)
    exec("def store(value):\n    global stored\n    stored = value", namespace)
    values = {version.value}

    def store_attribute(value: object) -> None:
        module.attribute = value  # type: ignore[attr-defined]

    ways = (store_attribute, namespace["store"], lambda value: namespace.update(item=value))
    for number in range(_OFTEN):
        for way in ways:
            way(number)
            values.add(version.value)
        del namespace["item"]
        values.add(version.value)
    return len(values) == 1 + _OFTEN * (len(ways) + 1)
