"""The Celery apps in the current folder, as ``celery -A`` takes them: found in the files, without running any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrysim.errors import AppError, InputError

_SKIPPED = {"tests", "test", "node_modules", "build", "dist", "docs", "scenarios", "examples"}
_MAKES_AN_APP = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:celery\.)?Celery\(", re.MULTILINE)


def app_here(folder: Path, command: str) -> tuple[str, list[str]]:
    """The app that is most likely meant, and the others; ``command`` says how to name one, where there is none."""
    found = apps_in(folder)
    if not found:
        raise InputError(f"no Celery app found here: name it, as `celery -A` takes it: {command}")
    first, *others = found
    return first, others


def apps_in(folder: Path) -> list[str]:
    """All of them, the most likely one first."""
    return sorted(_apps(folder), key=lambda name: ("celery" not in name, name.count("."), name))


@contextmanager
def naming_apps_here(folder: Path, name: str) -> Iterator[None]:
    """While inside, an error about a name that leads to no app says which ones are here, in other modules."""
    module = name.partition(":")[0]
    try:
        yield
    except AppError as error:
        apps = apps_in(folder) if error.__cause__ is None else []
        here = [app for app in apps if app.partition(":")[0] != module]
        if not here:
            raise
        raise AppError(f"{error}\n  Found here: {', '.join(here)}") from None


def _apps(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if any(part.startswith(".") or part in _SKIPPED for part in parts) or "site-packages" in parts:
            continue
        match = _MAKES_AN_APP.search(path.read_text(encoding="utf-8", errors="replace"))
        if match:
            parts = parts[1:] if parts[0] == "src" else parts
            yield f"{'.'.join(part for part in parts if part != '__init__')}:{match[1]}"
