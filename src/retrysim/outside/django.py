"""Django's connections: its test databases pass, and a connection that was open before is as closed as any other."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from retrysim.outside.address import TEST_DATABASE, Address, server
from retrysim.outside.barrier import Barrier
from retrysim.outside.sqlite import address_of
from retrysim.undo import UndoStack

_KINDS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "oracle": "Oracle"}
_PORTS = {"postgresql": 5432, "mysql": 3306, "oracle": 1521}


def _put_into_wrapper(undo: UndoStack, barrier: Barrier, module: ModuleType) -> None:
    """Every query asks for a cursor, of whichever connection: the open ones are met there."""
    wrapper = module.BaseDatabaseWrapper
    for name in ("connect", "_cursor"):
        undo.set_attribute(wrapper, name, _behind(barrier, getattr(wrapper, name)))


def _behind(barrier: Barrier, real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def method(wrapper: Any, *args: Any, **options: Any) -> Any:
        address = _address_of(wrapper)
        if TEST_DATABASE in barrier.permits and is_test_database(wrapper):
            barrier.know(address)
        else:
            barrier.database(address)
        with barrier.passing():
            return real(wrapper, *args, **options)

    return method


def _put_into_creation(undo: UndoStack, barrier: Barrier, module: ModuleType) -> None:
    """Whoever makes or destroys a test database connects to another one of its server."""
    creation = module.BaseDatabaseCreation
    for name in ("create_test_db", "clone_test_db", "destroy_test_db"):
        undo.set_attribute(creation, name, _let_through(barrier, getattr(creation, name)))


def _let_through(barrier: Barrier, real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def method(*args: Any, **options: Any) -> Any:
        with barrier.passing():
            return real(*args, **options)

    return method


def is_test_database(wrapper: Any) -> bool:
    """Whether Django's test runner, or pytest-django, has made the database that this connection leads to."""
    utils = sys.modules.get("django.test.utils")
    if utils is None or not hasattr(utils._TestState, "saved_data"):  # set_up_test_environment() was never called
        return False
    from django.db.backends.base.creation import TEST_DATABASE_PREFIX

    name, given = str(wrapper.settings_dict["NAME"]), (wrapper.settings_dict.get("TEST") or {}).get("NAME")
    if wrapper.vendor == "sqlite" and name == wrapper.creation._get_test_db_name():
        return True  # one in memory
    if not given:
        return Path(name).name.startswith(TEST_DATABASE_PREFIX)
    suffix = Path(str(given)).suffix  # of several side by side each has a number before it
    stem = str(given).removesuffix(suffix)
    return re.fullmatch(rf"{re.escape(stem)}(_(gw)?\d+)?{re.escape(suffix)}", name) is not None


def _address_of(wrapper: Any) -> Address:
    settings = wrapper.settings_dict
    if wrapper.vendor == "sqlite":
        return address_of(settings["NAME"])
    kind = _KINDS.get(wrapper.vendor, str(wrapper.vendor))
    port = _PORTS.get(wrapper.vendor)
    return server(kind, settings.get("HOST"), settings.get("PORT"), port, database=settings.get("NAME"))


PLACES = {
    "django.db.backends.base.base": _put_into_wrapper,
    "django.db.backends.base.creation": _put_into_creation,
}
