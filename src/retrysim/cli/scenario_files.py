"""The scenario files that a command line names: files, and folders with files in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from retrysim.errors import InputError

_SUFFIX = ".scenario.yaml"
_SKIPPED = {"node_modules", "site-packages", "__pycache__", "build", "dist"}


def scenario_files(given: Iterable[Path]) -> list[Path]:
    """The files, each once; of a folder those in it and below it, in order. Raises ``InputError`` for one without."""
    return list(dict.fromkeys(file for path in given for file in _files(path)))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = [file for file in sorted(path.rglob(f"*{_SUFFIX}")) if not _is_skipped(file.relative_to(path))]
    if not found:
        raise InputError(f"{path}: expected a folder with scenario files, whose names end in {_SUFFIX}; it has none")
    yield from found


def _is_skipped(file: Path) -> bool:
    return any(part.startswith(".") or part in _SKIPPED for part in file.parts[:-1])
