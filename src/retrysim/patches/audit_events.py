"""What Python tells its audit hooks (PEP 578) of connections, look-ups and programs, by whatever name they are called.

A hook cannot be taken away again. There is one, put in place with the first simulation; outside of simulations it does
nothing. Libraries in C that open sockets of their own (libpq, grpc) tell no hook.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from retrysim.undo import UndoStack

Guard = Callable[..., None]

_guards: dict[str, Guard] = {}


def guard_events(undo: UndoStack, guards: Mapping[str, Guard]) -> None:
    """Call a guard, with the event's arguments, before each event of its name; what it raises, the caller gets."""
    _put_hook()
    for event, guard in guards.items():
        before = _guards.get(event)
        undo.set_item(_guards, event, guard if before is None else _one_after_the_other(before, guard))


@cache
def _put_hook() -> None:
    guard_of = _guards.get

    def hook(event: str, args: tuple[Any, ...]) -> None:
        guard = guard_of(event)
        if guard is not None:
            guard(*args)

    sys.addaudithook(hook)


def _one_after_the_other(first: Guard, second: Guard) -> Guard:
    def guard(*args: Any) -> None:
        first(*args)
        second(*args)

    return guard
