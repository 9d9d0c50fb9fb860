"""Django's system checks, which a worker runs when it starts: some ask the database, and none is about tasks.

Where the database may not be asked, those that were not run yet are left out. What an app's ``ready()`` asks is the
app's own: ``django.setup()`` would be left half done, so that raises.
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
        self.django_setup()
        with suppress(RealDatabase):
            real(self)

    undo.set_attribute(fixup, "validate_models", validate_models)


PLACES = {"celery.fixups.django": _put}
