"""What pytest does with ``[tool.retrysim]``: its variables are set, and its settings are those of every simulation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retrysim.errors import InputError
from retrysim.project import Project, project_in

_PROJECT: pytest.StashKey[Project] = pytest.StashKey()
_BEFORE: pytest.StashKey[dict[str, str | None]] = pytest.StashKey()


def apply(config: pytest.Config) -> None:
    """Read the table and set its environment variables: before the project's modules are imported."""
    try:
        config.stash[_PROJECT] = project = project_in(config.rootpath)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    before = config.stash[_BEFORE] = {}
    for name, value in project.env.items():
        before[name] = os.environ.get(name)
        os.environ[name] = value


def take_back(config: pytest.Config) -> None:
    """Set the environment variables as they were."""
    for name, value in config.stash.get(_BEFORE, {}).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def project_of(config: pytest.Config) -> Project:
    """The project that the tests are of."""
    return config.stash.get(_PROJECT, Project(folder=config.rootpath))


def report_folder(config: pytest.Config) -> Path | None:
    """Where the pages of failing tests are written: as the command line says, or else the project; if at all."""
    asked: str | None = config.getoption("--retrysim-report")
    return project_of(config).report if asked is None else (config.invocation_params.dir / asked).resolve()
