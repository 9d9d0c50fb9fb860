"""What a simulation does to Django's databases, if the app that it runs is a Django project's.

Each thread has a connection of its own in Django, and so has each slot. Only under pytest-django's ``db`` is there one
for all (``one_transaction.py``). What waits for a lock of the database waits in virtual time, since whoever holds it
goes on in virtual time only.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from retrysim.databases.one_transaction import OneTransaction
from retrysim.databases.own_connections import OwnConnections
from retrysim.databases.postgresql import virtual_lock_waits
from retrysim.databases.sqlite import virtual_busy_timeouts
from retrysim.errors import InputError
from retrysim.kernel import Condition, Environment
from retrysim.patches import Reality
from retrysim.undo import UndoStack


class Databases:
    """The databases of one simulation; nothing, for a project without Django."""

    def __init__(self, environment: Environment, reality: Reality) -> None:
        self._environment = environment
        self._reality = reality
        self._transaction: OneTransaction | None = None

    def connect(self, undo: UndoStack) -> None:
        """Once Django is there and has its settings: let tasks reach its databases, until ``undo`` is unwound."""
        if self._transaction is not None or not _django_is_configured():
            return
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
        from django.db import connections

        for database in settings.DATABASES.values():
            self._allow(database)
        with suppress(ImproperlyConfigured):  # a driver that is not installed: whoever needs it is told
            connections.all()
        released = Condition("a lock in PostgreSQL, whose holder waits, too")
        own = OwnConnections(self._environment, released)
        own.connect(undo)
        self._transaction = transaction = OneTransaction(self._environment)
        transaction.connect(undo)
        virtual_busy_timeouts(undo, self._environment)
        virtual_lock_waits(undo, self._environment, lambda: [*own, *transaction.connections()], released)

    def _allow(self, database: dict[str, Any]) -> None:
        """What Django's settings name is real on purpose."""
        host, port = database.get("HOST"), database.get("PORT")
        if host:
            self._reality.allow(f"{host}:{port}" if port else str(host))

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
