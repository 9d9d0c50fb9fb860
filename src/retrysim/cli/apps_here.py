"""The Celery apps in the current folder, as ``celery -A`` takes them: found in the files, without running any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from retrysim.errors import AppError, InputError

_SKIPPED = {"tests", "test", "node_modules", "build", "dist", "docs", "scenarios", "examples"}
_MAKES_AN_APP = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:celery\.)?Celery\(", re.MULTILINE)
#: What a factory makes, and how Flask's documentation keeps it: ``celery_app = flask_app.extensions["celery"]``.
_GETS_AN_APP = re.compile(r"^(celery|celery_app)\s*(?::[^=\n]+)?=\s*[\w.]+[(\[]", re.MULTILINE)


def app_here(folder: Path, command: str) -> tuple[str, list[str]]:
    """The app that is most likely meant, and the others; ``command`` says how to name one, where there is none."""
    found = apps_in(folder)
    if not found:
        raise InputError(f"no Celery app found here: name it, as `celery -A` takes it: {command}")
    first, *others = found
    return first, others


def apps_in(folder: Path) -> list[str]:
    """All of them, the most likely one first; where none is made outside of a function, those that a factory made."""
    texts = dict(_modules(folder))
    return _named(texts, _MAKES_AN_APP) or _named(texts, _GETS_AN_APP)


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


def _named(texts: Mapping[str, str], pattern: re.Pattern[str]) -> list[str]:
    """What the pattern finds in each module, those of a module in their order."""
    found = [[f"{module}:{name}" for name in dict.fromkeys(pattern.findall(text))] for module, text in texts.items()]
    likely = sorted(filter(None, found), key=lambda names: ("celery" not in names[0], names[0].count("."), names[0]))
    return [name for names in likely for name in names]


def _modules(folder: Path) -> Iterator[tuple[str, str]]:
    """The names and texts of the modules in a folder."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if any(part.startswith(".") or part in _SKIPPED for part in parts) or "site-packages" in parts:
            continue
        parts = parts[1:] if parts[0] == "src" else parts
        name = ".".join(part for part in parts if part != "__init__")
        yield name, path.read_text(encoding="utf-8", errors="replace")
