"""Versions outside the tested range are said once, and a name that a package lacks is one clear error."""

from __future__ import annotations

import types
import warnings

import pytest

from retrysim import Simulation, versions
from retrysim.errors import UnsupportedVersion, UntestedVersionWarning
from retrysim.undo import UndoStack
from retrysim.versions import Installed


@pytest.fixture
def nothing_said_yet():
    versions.warn_of_untested_versions.cache_clear()
    yield
    versions.warn_of_untested_versions.cache_clear()


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("5.3.9", "older"), ("5.4", "tested"), ("5.4.0rc1", "tested"), ("5.7.0", "tested"), ("5.7.12", "tested"),
        ("5.8.0b1", "newer"), ("5.10", "newer"), ("6.0", "newer"), (None, "missing"),
    ],
)  # fmt: skip
def test_a_version_is_judged_by_its_release_line(version, verdict):
    assert Installed(package="celery", version=version, oldest="5.4", newest="5.7").verdict == verdict


def test_the_installed_versions_of_this_environment_are_known():
    assert [one.package for one in versions.installed()][:2] == ["python", "celery"]
    assert "celery 5." in versions.summary()


def test_an_untested_version_is_said_once_in_a_process(monkeypatch, nothing_said_yet):
    newest = versions.version_of("celery")
    monkeypatch.setattr(versions, "TESTED", {"celery": ("5.1", "5.2")})

    with pytest.warns(UntestedVersionWarning) as caught, Simulation():
        pass

    [warning] = [one for one in caught if one.category is UntestedVersionWarning]
    assert str(warning.message) == (
        f"retrysim is not tested with celery {newest} (tested: 5.1 to 5.2). Results may be wrong. Run `retrysim doctor` "
        "to try the basics here, or install a tested version. "
        "To silence this: -W ignore::retrysim.errors.UntestedVersionWarning"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UntestedVersionWarning)
        with Simulation():
            pass


def test_the_warning_can_be_silenced(monkeypatch, nothing_said_yet):
    monkeypatch.setattr(versions, "TESTED", {"celery": ("5.1", "5.2")})

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", UntestedVersionWarning)
        with Simulation():
            pass

    assert [one for one in caught if one.category is UntestedVersionWarning] == []


def test_to_replace_a_name_that_is_not_there_is_an_error_that_names_package_version_and_name():
    from celery.worker import components

    with UndoStack() as undo, pytest.raises(UnsupportedVersion) as raised:
        undo.set_attribute(components, "_Hub2", None)

    assert str(raised.value) == (
        f"celery {versions.version_of('celery')} has no celery.worker.components._Hub2, which retrysim relies on "
        "(celery 5.4 to 5.7 are tested). Install a tested version, or report this with the output of `retrysim doctor`."
    )
    assert not hasattr(components, "_Hub2")


def test_a_missing_name_of_a_class_or_an_object_is_named_by_its_class():
    import threading

    with UndoStack() as undo:
        for owner in (threading.Thread, threading.Thread()):
            with pytest.raises(
                UnsupportedVersion, match=r"^Python 3\.\d+\.\d+ has no threading\.Thread\.nothing, which"
            ):
                undo.set_attribute(owner, "nothing", None)


def test_a_cached_property_is_replaced_without_being_computed():
    from functools import cached_property

    class Owner:
        @cached_property
        def costly(self):
            raise AssertionError("computed")

    owner = Owner()
    with UndoStack() as undo:
        undo.set_attribute(owner, "costly", 1)
        assert owner.costly == 1
    assert "costly" not in vars(owner)


def test_a_name_that_a_module_makes_when_asked_is_there():
    lazy = types.ModuleType("lazy")
    lazy.__getattr__ = lambda name: {"made": 1}[name]

    with UndoStack() as undo:
        undo.set_attribute(lazy, "made", 2)
        assert lazy.made == 2
    assert lazy.made == 1
