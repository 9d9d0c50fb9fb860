"""The list of foreign private names is whole, each name is there, and each that is missing is one clear error."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from private_names import private_names

import retrysim.simulation  # noqa: F401 - everything that a simulation imports
from retrysim import Simulation, foreign_names
from retrysim.errors import UnsupportedVersion
from retrysim.foreign_names import IN_SOME_VERSIONS, NAMES, ForeignName, check
from retrysim.versions import has_name, missing_name, version_of


def everywhere(package):
    """The names of a package that is installed here, with their modules imported."""
    names = [ForeignName(*row) for row in NAMES[package]]
    for one in names:
        pytest.importorskip(one.module)
    return names


def listed():
    rows = [*(row for rows in NAMES.values() for row in rows), *IN_SOME_VERSIONS]
    return {(file, name) for _, name, files in rows for file in files.split()}


def test_the_list_names_each_foreign_private_name_of_the_source_and_no_other():
    for optional in ("aiohttp", "django", "httpcore", "httplib2", "trio"):
        pytest.importorskip(optional)

    missing, stale = private_names() - listed(), listed() - private_names()

    told = [f'add to foreign_names.py: ("module:Class", "{name}", "{file}")' for file, name in sorted(missing)]
    told += [f"remove from foreign_names.py: {name} of {file}" for file, name in sorted(stale)]
    assert not told, "\n".join(told)
    assert len(listed()) > 200


def test_no_name_is_listed_twice():
    rows = [row[:2] for rows in (*NAMES.values(), IN_SOME_VERSIONS) for row in rows]

    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("package", NAMES)
def test_each_name_is_there(package):
    for one in everywhere(package):
        check(package, one)


@pytest.mark.parametrize("package", NAMES)
def test_each_name_that_is_missing_is_one_error_with_package_version_and_name(package):
    missing_name(pytest, "anything")  # imports what it needs while everything is there
    version = sys.version.split()[0] if package == "python" else version_of(package)

    for one in everywhere(package):
        with without(one), pytest.raises(UnsupportedVersion) as raised:
            check(package, one)
        first = f"{'Python' if package == 'python' else package} {version} has no "
        assert str(raised.value).startswith(first)
        assert str(raised.value).partition(",")[0].endswith(f".{one.name}")
        check(package, one)


def test_a_simulation_does_not_begin_without_a_name(monkeypatch):
    one = ForeignName("celery.worker.components", "_Hub", "")
    importlib.import_module(one.module)
    monkeypatch.setattr(foreign_names, "_UNSEEN", [("celery", one)])

    with (
        without(one),
        pytest.raises(UnsupportedVersion, match=r"^celery \S+ has no celery\.worker\.components\._Hub, which"),
        Simulation(),
    ):
        pass

    with Simulation():
        assert foreign_names._UNSEEN == []


@contextmanager
def without(one: ForeignName) -> Iterator[None]:
    """A package that has lost one name."""
    with pytest.MonkeyPatch.context() as patch:
        owner, holder = sys.modules[one.module], None
        for step in one.path:
            owner, holder = getattr(owner, step), owner
        if hasattr(owner, "__code__"):
            patch.setattr(holder, one.path[-1], _gone)
        else:
            patch.delitem(sys.modules, f"{one.module}.{one.name}", raising=False)
            for kind in getattr(owner, "__mro__", (owner,)):
                if one.name in vars(kind):
                    patch.delattr(kind, one.name)
            assert not has_name(owner, one.name)
        yield


def _gone(*_args: object, **_options: object) -> None:
    pass
