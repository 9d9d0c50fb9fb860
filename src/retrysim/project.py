"""``[tool.retrysim]`` of pyproject.toml: what every simulation of a project has in common.

Whatever is said nearer to a run comes before it: the command line first, then a marker, a fixture or a scenario file,
then this table, then the default. Nothing heavy is imported here: pytest reads it before it collects.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from retrysim.errors import InputError
from retrysim.nearest import did_you_mean

FILE = "pyproject.toml"
#: Key -> the type of its value, and how an error names that.
_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "seed": (int, "a whole number"),
    "broker": (str, 'text, such as "redis"'),
    "redis": (bool, "true or false"),
    "start": ((str, datetime), 'an instant, such as "2015-08-03T12:00:00Z"'),
    "env": (dict, 'a table, such as {TOKEN = "fake"}'),
    "allow": (list, 'a list of hosts, such as ["localhost:5432"]'),
    "files": (str, '"real" or "scratch"'),
    "strict": (bool, "true or false"),
    "isolated": (bool, "true or false"),
    "limits": (dict, "a table, such as {real_seconds = 60}"),
    "conf": (dict, "a table of Celery's settings, such as {task_acks_late = true}"),
    "redact": (list, 'a list of regular expressions, such as ["acme-[0-9]+"]'),
    "report": (str, 'a folder, such as "reports"'),
}
#: What an error says of ``isolated: worker``.
NO_WHOLE_WORKERS = (
    "'worker' is not supported: a worker's main process is always simulated in the process of the test; to isolate its "
    "pool processes, write true; to play a scenario on real workers, use retrysim run --live"
)
#: The keys that are settings of a simulation itself.
OF_SIMULATION = ("seed", "broker", "redis", "start", "allow", "files", "strict", "isolated", "limits", "conf", "redact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The table of a project, checked key by key; empty where there is none."""

    folder: Path
    table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """The environment variables, as text."""
        return {name: str(value) for name, value in self.table.get("env", {}).items()}

    @property
    def of_simulation(self) -> dict[str, Any]:
        """The keyword arguments of every ``Simulation``."""
        return {key: self.table[key] for key in OF_SIMULATION if key in self.table}

    @property
    def report(self) -> Path | None:
        """The folder for the pages of failing tests."""
        return self.folder / self.table["report"] if "report" in self.table else None

    @staticmethod
    def error(key: str, what: str) -> InputError:
        """An error about the value of a key."""
        return InputError(f"{FILE}: [tool.retrysim] {key}: {what}")


def source_path(folder: Path) -> list[str]:
    """What is missing at the end of ``sys.path`` in a project with a folder ``src`` that is not installed.

    At the end no module there hides another: a project's ``src/queue.py`` is not the one that the library imports.
    """
    source = folder / "src"
    return [str(source)] if source.is_dir() and str(source) not in sys.path else []


def project_in(folder: Path) -> Project:
    """The project whose pyproject.toml is in that folder. Raises ``InputError`` for a table with something wrong."""
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except OSError:
        return Project(folder=folder)
    if "retrysim" not in text:
        return Project(folder=folder)
    import tomllib

    try:
        table = tomllib.loads(text).get("tool", {}).get("retrysim", {})
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{FILE}: is not TOML: {error}") from None
    return Project(folder=folder, table={key: _checked(key, value) for key, value in table.items()})


def project_around(folder: Path) -> Project:
    """The project that a folder is in: the pyproject.toml there or, else, in the nearest folder above."""
    home = next((one for one in (folder, *folder.parents) if (one / FILE).is_file()), folder)
    return project_in(home)


def _checked(key: str, value: Any) -> Any:
    if key not in _KINDS:
        hint = did_you_mean(key, _KINDS) or f"; there are {', '.join(_KINDS)}"
        raise InputError(f"{FILE}: [tool.retrysim] has no key {key!r}{hint}")
    if key == "isolated" and value == "worker":
        raise Project.error(key, NO_WHOLE_WORKERS)
    kind, expected = _KINDS[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Project.error(key, f"expected {expected}; got {value!r}")
    return value.isoformat() if isinstance(value, datetime) else value
