"""Finds a Celery app by what ``celery -A`` takes, and says in one line why it cannot."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from celery import Celery
from celery.app.utils import find_app as celery_find_app

from retrysim.errors import AppError, RetrysimError


def find_app(app: Any) -> Any:
    """The app itself, or the one that a text like ``"proj"`` or ``"proj.celery:app"`` names.

    Raises ``AppError`` with the last line of the traceback when importing it fails.
    """
    if not isinstance(app, str):
        return _checked(app, repr(app))
    try:
        found = celery_find_app(app)
    except Exception as error:
        absent = _absent(app, error)
        raise AppError(absent or explain_import_error(app, error)) from (None if absent else error)
    except SystemExit as error:
        raise AppError(f"the app {app!r} cannot be imported: it ended the interpreter ({error!r})") from error
    return _checked(found, repr(app))


def _checked(app: Any, named: str) -> Any:
    if not isinstance(app, Celery):
        raise AppError(
            f"{named} is no Celery app but a {type(app).__name__}: expected an app, or what `celery -A` takes, "
            'such as "proj" or "proj.celery:app"'
        )
    return app


def _absent(name: str, error: Exception) -> str | None:
    """Why the name leads to no app, if nothing that was imported failed: then the traceback is Celery's alone."""
    if missing := _missing_attribute(name):
        return missing
    if isinstance(error, ModuleNotFoundError) and f"{name.partition(':')[0]}.".startswith(f"{error.name}."):
        return explain_import_error(name, error)
    if isinstance(error, AttributeError) and name in sys.modules:
        frames = traceback.extract_tb(error.__traceback__)
        if frames[-1].filename == celery_find_app.__code__.co_filename:
            return f"the module {name!r} has no app named `app` or `celery`; name another one as `{name}:NAME`"
    return None


def _missing_attribute(name: str) -> str | None:
    """Why ``proj:nothing`` is no app, where ``proj`` is a module: Celery calls all of it a module that is not there."""
    module, colon, attribute = name.partition(":")
    if not colon or module not in sys.modules or hasattr(sys.modules[module], attribute):
        return None
    apps = [found for found, value in vars(sys.modules[module]).items() if isinstance(value, Celery)]
    there_is = f"; it has {' and '.join(map(repr, apps))}" if apps else ""
    return f"the module {module!r} has no app {attribute!r}{there_is}"


def explain_import_error(name: str, error: Exception) -> str:
    """Why an app, or a module of its tasks, cannot be imported: what was raised, and where."""
    if isinstance(error, RetrysimError):  # which says where it happened
        return f"the app {name!r} cannot be imported: {error}"
    reason = traceback.format_exception_only(error)[-1].strip()
    message = f"the app {name!r} cannot be imported: {reason}{_place(error)}"
    if variable := _missing_variable(error):
        message += f"\nadd `env: {{{variable}: ...}}` to the scenario, or set {variable} before the app is imported"
    return message


def _place(error: Exception) -> str:
    """Where it happened, if that was in a module that was being imported."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.name == "<module>"]
    frames = [f for f in frames if "importlib" not in f.filename and not f.filename.startswith("<")]
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({os.path.relpath(error.filename)}:{error.lineno})"
    return f" ({os.path.relpath(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""


def _missing_variable(error: Exception) -> str | None:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not isinstance(error, KeyError):
        return None
    last = frames[-1]
    from_environ = last.name == "__getitem__" and last.filename in (os.__file__, "<frozen os>")
    return str(error.args[0]) if from_environ else None
