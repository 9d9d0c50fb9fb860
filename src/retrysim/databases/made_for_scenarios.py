"""Django's test databases for a scenario: made by Django's own test runner, once for a process, and emptied in between.

They stay until the process ends: to migrate a project may take longer than to play all of its scenarios.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from retrysim.errors import InputError
from retrysim.outside.django import is_test_database

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Numbered from 1 again, and with no rows of ``post_migrate``: those that are put back are among them already, and may
#: have other numbers (a test with ``transactional_db`` makes them anew).
_AS_NEW = {"reset_sequences": True, "inhibit_post_migrate": True}


@contextmanager
def djangos_test_databases() -> Iterator[None]:
    """Inside, each of Django's connections leads to a test database: migrated, and with nothing else in it.

    Raises ``InputError`` where there is no Django project.
    """
    if "django.conf" not in sys.modules or not sys.modules["django.conf"].settings.configured:
        raise InputError("there is no Django project: the app is imported without DJANGO_SETTINGS_MODULE")
    from django.test.utils import _TestState, setup_test_environment, teardown_test_environment

    sets_up = not hasattr(_TestState, "saved_data")
    if sets_up:
        setup_test_environment(debug=False)
    try:
        _empty(_contents())
        yield
    finally:
        _close()
        if sets_up:
            teardown_test_environment()


@cache
def _contents() -> dict[str, str]:
    """Makes the databases, unless a test runner has; what their migrations put into each, by its alias."""
    from django.db import connections
    from django.test.utils import setup_databases, teardown_databases

    if not all(is_test_database(connection) for connection in connections.all()):
        _name_them()
        config = setup_databases(verbosity=0, interactive=False, serialized_aliases=[])
        atexit.register(teardown_databases, config, verbosity=0)
    return {alias: connections[alias].creation.serialize_db_to_string() for alias in connections}


def _name_them() -> None:
    """So that no other run of the project's tests at the same time has the same."""
    from django.db import connections

    number = _number_of_this_process()
    for connection in connections.all():
        name = str(connection.creation._get_test_db_name())
        if not (connection.vendor == "sqlite" and connection.creation.is_in_memory_db(name)):
            own = Path(name).with_stem(f"{Path(name).stem}_retrysim_{number}")
            connection.settings_dict["TEST"]["NAME"] = str(own)


def _number_of_this_process() -> int:
    """The lowest that no other process has. It is free again when this one ends, however it ends."""
    for number in count(1) if fcntl else ():
        file = Path(tempfile.gettempdir(), f"retrysim-databases-{os.getuid()}-{number}.lock")
        lock = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            atexit.register(os.close, lock)
            return number
    return os.getpid()


def _empty(contents: dict[str, str]) -> None:
    """As Django's ``TransactionTestCase`` leaves them, and numbered from 1 again."""
    from django.core.management import call_command
    from django.db import connections

    for alias, rows in contents.items():
        call_command("flush", verbosity=0, interactive=False, database=alias, **_AS_NEW)
        connections[alias].creation.deserialize_db_from_string(rows)


def _close() -> None:
    """Leave no connection open that a fork would inherit; a database in memory needs its own."""
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        if not _is_in_memory(connection):
            connection.close()


def each_fork_has_its_own() -> bool:
    """Whether a forked process has the test databases for itself: those in memory are copied with it."""
    from django.db import connections

    return all(_is_in_memory(connection) for connection in connections.all())


def _is_in_memory(connection: Any) -> bool:
    return bool(connection.vendor == "sqlite" and connection.is_in_memory_db())
