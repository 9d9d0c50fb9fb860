"""Puts a barrier into every driver that is imported, and into those that are imported later."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from retrysim.outside import brokers, checks, django, drivers, redis, sqlite
from retrysim.outside.barrier import Barrier
from retrysim.patches.import_watch import in_each_module
from retrysim.undo import UndoStack

#: Puts the barrier into one module.
Put = Callable[[UndoStack, Barrier, ModuleType], None]
#: Of databases Django's alone: what other suites connect to is theirs, and they do without us.
SERVERS: dict[str, Put] = {**django.PLACES, **checks.PLACES, **redis.PLACES, **brokers.PLACES}
EVERYTHING: dict[str, Put] = {**SERVERS, **drivers.PLACES, **sqlite.PLACES}


def stand_between(undo: UndoStack, barrier: Barrier, places: dict[str, Put] = EVERYTHING) -> None:
    """In those modules, until ``undo`` is unwound."""

    in_each_module(undo, places, lambda module: places[module.__name__](undo, barrier, module))
