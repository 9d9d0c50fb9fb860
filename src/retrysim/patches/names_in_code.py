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
_STORE = frozenset({"STORE_GLOBAL", "STORE_NAME", "STORE_DEREF", "STORE_ATTR", "DELETE_GLOBAL", "DELETE_ATTR"})
_NOTHING = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "PRECALL", "RESUME", "NOT_TAKEN"})
#: What may stand between a container and ``STORE_SUBSCR``, for a key that is written without a call.
_OF_A_KEY = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_GLOBAL", "LOAD_DEREF"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """The names that a code object uses, with the functions and classes that are written in it."""

    #: of globals, of variables of a closure, and of attributes
    names: frozenset[str]
    #: those of them whose value the code looks at
    read: frozenset[str]
    #: (level, module, what is imported from it)
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]


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
    imports = list(_imports(instructions))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = uses_of(constant)
            names |= inner.names
            read |= inner.read
            imports += inner.imports
    return Uses(names=frozenset(names), read=frozenset(read), imports=tuple(imports))


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
