"""Looks at foreign objects without asking them: no property, ``__getattr__`` or ``__class__`` of their own is run.

A lazy module would be imported by the question, a proxy would make what it stands for, and what Cython builds has no
text for the name of its module.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

_NAMESPACE_OF_MODULE = vars(ModuleType)["__dict__"].__get__
_NAMESPACE_OF_CLASS = vars(type)["__dict__"].__get__
_BASES_OF_CLASS = vars(type)["__mro__"].__get__
_MODULE_OF_CLASS = vars(type)["__module__"].__get__


def is_module(value: object) -> bool:
    """Whether it is a module; what only calls itself one is none."""
    return issubclass(type(value), ModuleType)


def names_of(module: ModuleType) -> dict[str, Any]:
    """What a module holds by name; of a lazy one, what it holds until it is imported."""
    names: dict[str, Any] | None = _NAMESPACE_OF_MODULE(module)
    return {} if names is None else names


def names_of_class(kind: type) -> Any:
    """What a class itself holds by name, whatever its metaclass says."""
    return _NAMESPACE_OF_CLASS(kind)


def name_of(module: ModuleType) -> str:
    """The name that a module has for itself; ``""`` if that is none."""
    return text_of(names_of(module).get("__name__"))


def bases_of(kind: type) -> tuple[type, ...]:
    """A class and all its bases, in the order in which they are searched."""
    bases: tuple[type, ...] = _BASES_OF_CLASS(kind)
    return bases


def home_of(kind: type) -> str:
    """The name of the module that a class is defined in; ``""`` if it does not tell."""
    try:
        return text_of(_MODULE_OF_CLASS(kind))
    except AttributeError:
        return ""


def text_of(value: object) -> str:
    return value if type(value) is str else ""
