"""Imports an app under the environment variables of a scenario, again if they are others than last time.

An app that reads its settings at import (a broker URL, a token) keeps what it read. So two scenarios of one process
that give it different values each get an app of their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from celery import _state

from retrysim.celery.finding import explain_import_error, find_app
from retrysim.celery.hosting import prepare
from retrysim.errors import AppError
from retrysim.outside import nothing_real
from retrysim.project import project_around
from retrysim.undo import UndoStack


@dataclass(frozen=True, slots=True, kw_only=True)
class _Imported:
    """An app, the variables it saw, the modules that came with it, and the tasks that it shares with all apps."""

    app: Any
    variables: Mapping[str, str]
    modules: frozenset[str]
    finalizers: frozenset[Any]

    def forget(self) -> None:
        for module in self.modules:
            sys.modules.pop(module, None)
        _state._on_app_finalizers -= self.finalizers


def import_app(name: str, variables: Mapping[str, str], allowed: Iterable[str] | None = ()) -> Any:
    """The app that ``celery -A`` would find, imported and finalised; raises ``AppError``.

    Of databases, brokers and Redis servers its import reaches those that are ``allowed``, or with ``None`` any.
    """
    imported = _imports().get(name)
    if imported is not None and dict(imported.variables) == dict(variables):
        return imported.app
    if imported is not None:
        imported.forget()
    before, finalizers = frozenset(sys.modules), frozenset(_state._on_app_finalizers)
    with nullcontext() if allowed is None else nothing_real(allowed):
        app = find_app(name)
        try:
            prepare(app)
        except Exception as error:
            raise AppError(explain_import_error(name, error)) from error
    own = frozenset(module for module in sys.modules if module not in before and _is_own(sys.modules[module]))
    shared = frozenset(_state._on_app_finalizers) - finalizers
    _imports()[name] = _Imported(app=app, variables=dict(variables), modules=own, finalizers=shared)
    return app


def import_audited(name: str) -> Any:
    """The app of a command that runs nothing but what it is asked to.

    Its import reaches what the project allows, and has the environment variables that the project sets.
    """
    project = project_around(Path.cwd())
    with UndoStack() as undo:
        for variable, value in project.env.items():
            undo.set_item(os.environ, variable, value)
        return import_app(name, project.env, project.of_simulation.get("allow", ()))


@cache
def _imports() -> dict[str, _Imported]:
    return {}


def _is_own(module: ModuleType) -> bool:
    """Whether a module belongs to the project: not installed, not the standard library."""
    file = getattr(module, "__file__", None)
    return file is not None and "site-packages" not in file and not file.startswith(str(Path(sys.prefix)))
