"""The packages that retrysim stands on: the versions it is tested with, and the versions that are installed.

retrysim replaces names inside these packages, also private ones (``foreign_names.py``). A release outside the tested
range may have renamed one of them, so a session that runs on such a release says so once.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType

from retrysim.errors import UnsupportedVersion, UntestedVersionWarning

#: Package -> the oldest and the newest release line that retrysim is tested with.
TESTED: Mapping[str, tuple[str, str]] = {
    "celery": ("5.4", "5.7"),
    "kombu": ("5.3.7", "5.7"),
    "billiard": ("4.2", "4.3"),
    "amqp": ("5.2", "5.4"),
    "vine": ("5.1", "5.1"),
    "redis": ("4.6", "8.1"),
    "fakeredis": ("2.40", "2.41"),
    "greenlet": ("3.1", "3.5"),
    "pydantic": ("2.7", "2.14"),
    "h11": ("0.14", "0.16"),
    "responses": ("0.25", "0.26"),
}
PYTHON = ("3.11", "3.13")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One package (or Python itself): the version that is installed, ``None`` without one, and the tested range."""

    package: str
    version: str | None
    oldest: str
    newest: str

    @property
    def verdict(self) -> str:
        """``tested``, ``older`` or ``newer`` than what is tested, or ``missing``."""
        if self.version is None:
            return "missing"
        if _release(self.version) < _release(self.oldest):
            return "older"
        line = len(_release(self.newest))
        return "newer" if _release(self.version)[:line] > _release(self.newest) else "tested"


def installed() -> list[Installed]:
    """Python and every package of ``TESTED`` as they are here."""
    found = [Installed(package="python", version=platform.python_version(), oldest=PYTHON[0], newest=PYTHON[1])]
    for package, (oldest, newest) in TESTED.items():
        found.append(Installed(package=package, version=version_of(package), oldest=oldest, newest=newest))
    return found


def version_of(package: str) -> str | None:
    """The installed version of a package; ``None`` when it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def warn_of_untested_versions() -> None:
    """Warn, once in a process, of packages outside the range that retrysim is tested with."""
    untested = [one for one in installed() if one.verdict in ("older", "newer")]
    if untested:
        listed = ", ".join(f"{one.package} {one.version} (tested: {one.oldest} to {one.newest})" for one in untested)
        warnings.warn(
            f"retrysim is not tested with {listed}. Results may be wrong. "
            "Run `retrysim doctor` to try the basics here, or install a tested version. "
            "To silence this: -W ignore::retrysim.errors.UntestedVersionWarning",
            UntestedVersionWarning,
            stacklevel=2,
        )


def summary() -> str:
    """One line with every installed version, for the text of an error: ``celery 5.7.0, kombu 5.7.0, ...``."""
    return ", ".join(f"{one.package} {one.version}" for one in installed() if one.version is not None)


def has_name(owner: object, name: str) -> bool:
    """Whether an attribute is there; a cached property is not computed for it."""
    kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
    return name in vars(owner) or any(name in vars(kind) for kind in kinds) or hasattr(owner, name)


def missing_name(owner: object, name: str, package: str | None = None) -> UnsupportedVersion:
    """The error for a name that retrysim needs and that its owner, a module, class or object, does not have.

    An owner that is a method stands for the objects whose attribute it sets. ``package`` is the distribution, by
    default of the name of the owner's first module.
    """
    path = ".".join([*_path_of(owner), name])
    package = package or path.partition(".")[0]
    standard = package == "python" or package in sys.stdlib_module_names
    version, tested = platform.python_version() if standard else version_of(package), TESTED.get(package)
    what = f"{'Python' if standard else package} {version or '(not a distribution)'}"
    range_ = f" ({package} {tested[0]} to {tested[1]} are tested)" if tested else ""
    return UnsupportedVersion(
        f"{what} has no {path}, which retrysim relies on{range_}. "
        "Install a tested version, or report this with the output of `retrysim doctor`."
    )


def _path_of(owner: object) -> Iterator[str]:
    if isinstance(owner, ModuleType):
        yield owner.__name__
        return
    if isinstance(owner, FunctionType):
        yield owner.__module__
        yield from owner.__qualname__.split(".")[:-1]
        return
    kind = owner if isinstance(owner, type) else type(owner)
    yield kind.__module__
    yield kind.__qualname__


def _release(version: str) -> tuple[int, ...]:
    from packaging.version import Version  # imported late: the plugin's start must stay cheap

    return Version(version).release
