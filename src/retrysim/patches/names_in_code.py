"""The names that a piece of code uses, and which of them it reads: what code only adds to, nothing depends on.

A list to which a task only appends, as tests have them to observe it, is written and never read.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

#: Methods of containers that add to them and return nothing.
_ADD = frozenset({"append", "appendleft", "extend", "extendleft", "insert", "add", "update"})
_LOAD_NAME = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_LOAD_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"})
_LOAD = _LOAD_NAME | _LOAD_ATTRIBUTE
_STORE = frozenset({"STORE_GLOBAL", "STORE_NAME", "STORE_DEREF", "STORE_ATTR", "DELETE_GLOBAL", "DELETE_ATTR"})
_NOTHING = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "PRECALL", "RESUME", "NOT_TAKEN"})
#: What may stand between a container and ``STORE_SUBSCR``, for a key that is written without a call.
_OF_A_KEY = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_GLOBAL", "LOAD_DEREF"})
#: The same for the key of a namespace, which may be put together from texts.
_OF_A_NAME = _OF_A_KEY | {
    "LOAD_ATTR", "FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE", "BUILD_STRING", "BINARY_OP",
}  # fmt: skip
#: Stands for the module of the code, where that looks into a module by names that it computes.
ITSELF = "globals()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """The names that a code object uses, with the functions and classes that are written in it."""

    #: of globals, of variables of a closure, and of attributes
    names: frozenset[str]
    #: those of them whose value the code looks at
    read: frozenset[str]
    #: (level, module, what is imported from it)
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    #: modules, ``ITSELF`` or by their names, in which it reads, and writes, under names that it computes
    read_in: frozenset[str]
    written_in: frozenset[str]


@lru_cache(2048)
def uses_of(code: CodeType) -> Uses:
    """What the code uses."""
    names, read = set(), set()
    imported: dict[str, str] = {}  # variable -> what it was imported as
    instructions = [one for one in dis.get_instructions(code) if one.opname not in _NOTHING]
    for position, one in enumerate(instructions):
        if one.opname in _LOAD_NAME or one.opname in _LOAD_ATTRIBUTE:
            names.add(str(one.argval))
            if not _is_added_to(instructions, position + 1):
                read.add(str(one.argval))
        elif one.opname in _STORE:
            names.add(str(one.argval))
        elif one.opname == "IMPORT_FROM":
            stored = instructions[position + 1].argval
            imported[str(stored[0] if isinstance(stored, tuple) else stored)] = str(one.argval)
        elif one.opname.startswith("LOAD_FAST") and not _is_added_to(instructions, position + 1):
            loaded = one.argval if isinstance(one.argval, tuple) else (one.argval,)
            read |= {imported[variable] for variable in loaded if variable in imported}
    imports = [*_imports(instructions), *_found_by_name(instructions)]
    computed = list(_computed(instructions))
    read_in, written_in = ({name for name, *done in computed if done[index]} for index in (0, 1))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = uses_of(constant)
            names |= inner.names
            read |= inner.read
            imports += inner.imports
            read_in |= inner.read_in
            written_in |= inner.written_in
    return Uses(
        names=frozenset(names),
        read=frozenset(read),
        imports=tuple(imports),
        read_in=frozenset(read_in),
        written_in=frozenset(written_in),
    )


def _is_added_to(instructions: Sequence[dis.Instruction], position: int) -> bool:
    """Whether what was loaded last is only added to: ``it.append(x)``, or ``it[key] = x``."""
    after = instructions[position] if position < len(instructions) else None
    if after is None or (after.opname in _LOAD_ATTRIBUTE and after.argval in _ADD):
        return after is not None
    if after.opname not in _OF_A_KEY:
        return False
    rest = iter(instructions[position + 1 :])
    return next((one.opname for one in rest if one.opname != "LOAD_ATTR"), "") == "STORE_SUBSCR"


def _imports(instructions: Sequence[dis.Instruction]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    for position, one in enumerate(instructions):
        if one.opname == "IMPORT_NAME" and position >= 2:
            level = instructions[position - 2].argval
            wanted = [after.argval for after in instructions[position + 1 :] if after.opname == "IMPORT_FROM"]
            yield (level if isinstance(level, int) else 0), str(one.argval), tuple(wanted)


def _found_by_name(instructions: Sequence[dis.Instruction]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """``import_module("shop.limits")`` and ``sys.modules["shop.limits"]``."""
    for position, one in enumerate(instructions):
        is_a_look = one.argval == "modules" and _names(instructions, position - 1, 1) == ["sys"]
        if one.opname in _LOAD and (one.argval == "import_module" or is_a_look):
            following = instructions[position + 1 : position + 2]
            yield from ((0, after.argval, ()) for after in following if _is_text(after))


def _is_text(one: dis.Instruction) -> bool:
    return one.opname == "LOAD_CONST" and isinstance(one.argval, str)


# -- names that code computes ------------------------------------------------------------------------------------------


def _computed(instructions: Sequence[dis.Instruction]) -> Iterator[tuple[str, bool, bool]]:
    """Into what code looks by names that it computes, and whether it reads and writes there.

    ``globals()[name]``, ``vars(module)[name]``, ``module.__dict__[name]``, ``getattr(module, name)``, ``setattr(...)``.
    """
    for position, one in enumerate(instructions):
        if one.opname not in _LOAD_NAME:
            continue
        target, length = _module_at(instructions, position + 1)
        if one.argval == "globals":
            yield ITSELF, *_done_with_a_namespace(instructions, position + 2)
        elif one.argval == "vars" and target:
            yield target, *_done_with_a_namespace(instructions, position + 2 + length)
        elif one.argval in ("getattr", "setattr", "delattr") and target:
            yield target, one.argval == "getattr", one.argval != "getattr"
        elif _names(instructions, position + 1, 1) == ["__dict__"]:
            yield str(one.argval), *_done_with_a_namespace(instructions, position + 2)


def _module_at(instructions: Sequence[dis.Instruction], position: int) -> tuple[str, int]:
    """A global that is loaded here, or ``sys.modules[__name__]``; and of how many instructions. ``""`` for neither."""
    if _names(instructions, position, 3) == ["sys", "modules", "__name__"]:
        return ITSELF, 4
    is_global = position < len(instructions) and instructions[position].opname in _LOAD_NAME
    return (str(instructions[position].argval), 1) if is_global else ("", 0)


def _names(instructions: Sequence[dis.Instruction], position: int, number: int) -> list[str]:
    following = instructions[position : position + number]
    return [str(one.argval) for one in following if one.opname in _LOAD]


def _done_with_a_namespace(instructions: Sequence[dis.Instruction], position: int) -> tuple[bool, bool]:
    """Whether a dict of names that was just loaded is read, and whether it is written to."""
    first = instructions[position] if position < len(instructions) else None
    if first is not None and first.opname in _LOAD_ATTRIBUTE:
        return first.argval != "update", first.argval in ("update", "setdefault", "pop")
    then = next((one.opname for one in instructions[position:] if one.opname not in _OF_A_NAME), "")
    return then not in ("STORE_SUBSCR", "DELETE_SUBSCR"), then in ("STORE_SUBSCR", "DELETE_SUBSCR", "COPY")
