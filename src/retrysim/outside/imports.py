"""Lets an app be imported without reaching anything real: what its modules do at import is no part of a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from retrysim.outside.barrier import Barrier, allow_at_import
from retrysim.outside.install import stand_between
from retrysim.undo import UndoStack


@contextmanager
def nothing_real(allowed: Iterable[str] = ()) -> Iterator[None]:
    """While inside, no database, broker or Redis is reached but those that ``allowed`` names."""
    with UndoStack() as undo:
        stand_between(undo, Barrier(frozenset(allowed), lambda: "the import of the app", allow_at_import))
        yield
