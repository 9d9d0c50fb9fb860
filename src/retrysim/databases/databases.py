"""What a simulation does to Django's databases, if the app that it runs is a Django project's.

Each thread has a connection of its own in Django, and so has each slot. Only under pytest-django's ``db`` is there one
for all (``one_transaction.py``). What waits for a lock of the database waits in virtual time, since whoever holds it
goes on in virtual time only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

from retrysim.databases.drivers import virtual_lock_waits
from retrysim.databases.locks import Locks
from retrysim.databases.one_transaction import OneTransaction
from retrysim.databases.own_connections import OwnConnections
from retrysim.databases.sqlite import virtual_busy_timeouts
from retrysim.databases.sqlite_files import opening
from retrysim.errors import InputError
from retrysim.kernel import Environment
from retrysim.outside import Barrier
from retrysim.undo import UndoStack


class Databases:
    """The databases of one simulation; nothing, for a project without Django."""

    def __init__(self, environment: Environment, note: Callable[[str], None]) -> None:
        self._environment = environment
        self._note = note
        self._transaction: OneTransaction | None = None

    def stand_below(self, undo: UndoStack, barrier: Barrier) -> None:
        """From the first line: what waits for a lock, below a driver, waits in virtual time."""
        virtual_lock_waits(undo, Locks(self._environment))
        barrier.open_sqlite = opening(self._environment)

    def connect(self, undo: UndoStack) -> None:
        """Once Django is there and has its settings: let tasks reach its databases, until ``undo`` is unwound."""
        if self._transaction is not None or not _django_is_configured():
            return
        from django.core.exceptions import ImproperlyConfigured
        from django.db import connections

        with suppress(ImproperlyConfigured):  # a driver that is not installed: whoever needs it is told
            connections.all()
        OwnConnections(self._environment).connect(undo)
        self._transaction = OneTransaction(self._environment)
        self._transaction.connect(undo)
        virtual_busy_timeouts(undo, self._environment, self._note)

    def refuse_to_run_nothing(self) -> None:
        """Raise ``InputError`` if what the test has to submit waits for a commit that will not come."""
        waiting = [] if self._transaction is None else self._transaction.awaiting_commit()
        if waiting:
            raise InputError(
                f"nothing was submitted, and this waits in transaction.on_commit(): {', '.join(waiting)}. Under the "
                "fixture `db` the test's transaction is never committed. Wrap what submits in `with "
                "django_capture_on_commit_callbacks(execute=True):`, or let it commit: the fixture transactional_db, "
                "or @pytest.mark.django_db(transaction=True)"
            )


def _django_is_configured() -> bool:
    conf = sys.modules.get("django.conf")
    return conf is not None and "django.db" in sys.modules and bool(conf.settings.configured)
