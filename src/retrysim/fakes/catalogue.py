"""Fakes by name, as a scenario file or a command line asks for them: ``make_fake("twitter", {"era": "2013-2015"})``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, cast

from retrysim.errors import FakeError
from retrysim.fakes.fake import Fake
from retrysim.fakes.nearest import did_you_mean

_HOMES: Mapping[str, str] = MappingProxyType({"twitter": "retrysim.fakes.twitter:Twitter"})
_OWN = "retrysim.fakes.api:API"


def fake_names() -> list[str]:
    """The vendors that there are fakes of."""
    return list(_HOMES)


def make_fake(name: str, options: Mapping[str, Any], *, seed: int = 0) -> Fake:
    """The fake of a vendor, or, with an option ``url``, of one's own API under this name.

    Raises ``FakeError`` for an unknown name or option; the fake raises what it does not like about a value.
    """
    values = dict(options)
    if name in _HOMES:
        make = _load(_HOMES[name])
    elif "url" in values:
        make = _load(_OWN)
        values = {"name": name, **values}
    else:
        known = ", ".join(_HOMES)
        hint = did_you_mean(name, _HOMES)
        raise FakeError(f"no fake {name!r}{hint} (there are {known}; one's own needs a url: https://...)")
    known_options = list(inspect.signature(make).parameters)
    for option in values:
        if option not in known_options:
            raise FakeError(f"the fake {name!r} has no option {option!r}{did_you_mean(option, known_options)}")
    if "seed" in known_options:
        values.setdefault("seed", seed)
    return make(**values)


def _load(home: str) -> Callable[..., Fake]:
    module, _, name = home.partition(":")
    return cast(Callable[..., Fake], getattr(import_module(module), name))
