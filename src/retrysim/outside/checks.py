"""Django's system checks, which a worker runs when it starts: some ask the database, and none is about tasks.

Where the database may not be asked, those that were not run yet are left out.
"""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from types import ModuleType
from typing import Any

from retrysim.errors import RealDatabase
from retrysim.outside.barrier import Barrier
from retrysim.undo import UndoStack


def _put(undo: UndoStack, _barrier: Barrier, module: ModuleType) -> None:
    fixup = module.DjangoWorkerFixup
    real = fixup.validate_models

    @wraps(real)
    def validate_models(self: Any) -> None:
        with suppress(RealDatabase):
            real(self)

    undo.set_attribute(fixup, "validate_models", validate_models)


PLACES = {"celery.fixups.django": _put}
