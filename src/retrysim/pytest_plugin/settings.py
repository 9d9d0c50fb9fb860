"""``[tool.retrysim]`` of pyproject.toml: what every simulation of a project has in common."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

#: Key -> the type of its value, and how an error names that.
_KINDS: Mapping[str, tuple[type, str]] = {
    "seed": (int, "a whole number"),
    "broker": (str, 'text, such as "redis"'),
    "redis": (bool, "true or false"),
    "start": (str, 'text, such as "2015-08-03T12:00:00Z"'),
    "env": (dict, 'a table, such as {TOKEN = "fake"}'),
    "allow": (list, 'a list of hosts, such as ["localhost:5432"]'),
    "strict": (bool, "true or false"),
}
#: The keys that are not settings of the simulation itself.
_NOT_ITS_OWN = ("env",)

STASH: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
_BEFORE: pytest.StashKey[dict[str, str | None]] = pytest.StashKey()


def read(folder: Path) -> dict[str, Any]:
    """The table of the project in that folder; nothing for a project without one. Raises ``pytest.UsageError``."""
    path = folder / "pyproject.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    if "retrysim" not in text:
        return {}
    import tomllib

    table = tomllib.loads(text).get("tool", {}).get("retrysim", {})
    for key, value in table.items():
        _check(path.name, key, value)
    return dict(table)


def _check(file: str, key: str, value: object) -> None:
    from retrysim.nearest import did_you_mean

    if key not in _KINDS:
        hint = did_you_mean(key, _KINDS) or f"; there are {', '.join(_KINDS)}"
        raise pytest.UsageError(f"{file}: [tool.retrysim] has no key {key!r}{hint}")
    kind, expected = _KINDS[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise pytest.UsageError(f"{file}: [tool.retrysim] {key}: expected {expected}; got {value!r}")


def apply(config: pytest.Config) -> None:
    """Read the table and set its environment variables: before the project's modules are imported."""
    config.stash[STASH] = table = read(config.rootpath)
    before = config.stash[_BEFORE] = {}
    for name, value in table.get("env", {}).items():
        before[name] = os.environ.get(name)
        os.environ[name] = str(value)


def take_back(config: pytest.Config) -> None:
    """Set the environment variables as they were."""
    for name, value in config.stash.get(_BEFORE, {}).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def of_simulation(config: pytest.Config) -> dict[str, Any]:
    """The settings of every simulation."""
    return {key: value for key, value in config.stash.get(STASH, {}).items() if key not in _NOT_ITS_OWN}
