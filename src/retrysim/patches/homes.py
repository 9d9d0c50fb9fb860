"""Whose code something is: the project's, its tests', a library's that keeps state in memory, or another library's."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Literal

from retrysim.patches.asking_nothing import home_of, is_module, names_of, text_of
from retrysim.patches.places import is_installed_file

Home = Literal["own", "test", "keeps", "library"]

#: Libraries whose objects are limits, breakers and caches in memory.
_KEEP_STATE = frozenset({
    "ratelimit", "ratelimiter", "pyrate_limiter", "requests_ratelimiter", "limits", "aiolimiter", "asyncio_throttle",
    "token_bucket", "throttled", "pybreaker", "circuitbreaker", "aiobreaker", "purgatory", "cachetools", "cachelib",
    "expiringdict",
})  # fmt: skip
_TESTS = frozenset({"tests", "test", "conftest"})


def home_of_kind(kind: type) -> Home:
    """Whose class it is."""
    name = home_of(kind)
    module = sys.modules.get(name)
    file = text_of(names_of(module).get("__file__")) if module is not None and is_module(module) else ""
    return home_of_module(name, file)


@lru_cache(4096)
def home_of_module(name: str, file: str) -> Home:
    """Whose code a module is."""
    if root_of(name) in _KEEP_STATE:
        return "keeps"
    if is_installed_file(file) or root_of(name) in ("retrysim", "celery", "kombu"):
        return "library"
    return "test" if _is_a_tests(name, file) else "own"


def _is_a_tests(name: str, file: str) -> bool:
    parts = name.split(".")
    if not _TESTS.isdisjoint(parts) or parts[-1].startswith("test_") or parts[-1].endswith(("_test", "_tests")):
        return True
    path, here = Path(file), Path.cwd()
    return path.is_relative_to(here) and not _TESTS.isdisjoint(path.relative_to(here).parts[:-1])


def root_of(name: str) -> str:
    """The package that a module belongs to."""
    return name.partition(".")[0]
