"""Fakes by name, as a scenario file or a command line asks for them: ``make_fake("twitter", {"era": "2013-2015"})``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from retrysim.errors import FakeError
from retrysim.fakes.dialect import dialect_names, load_dialect
from retrysim.fakes.fake import Fake
from retrysim.nearest import did_you_mean

_TWITTER = "twitter"


def fake_names() -> list[str]:
    """The vendors that there are fakes of."""
    return sorted([_TWITTER, *(name for name in dialect_names() if load_dialect(name).hosts)])


def make_fake(name: str, options: Mapping[str, Any] | None = None, *, seed: int = 0) -> Fake:
    """The fake of a vendor, or, with an option ``url``, of one's own API under this name.

    ``seed`` is used unless the options have one. Raises ``FakeError`` for an unknown name or option, and whatever the
    fake raises for a value.
    """
    values = {"seed": seed, **(options or {})}
    make = _maker(name, values)
    known = list(inspect.signature(make).parameters)
    for option in values:
        if option not in known:
            raise FakeError(f"the fake {name!r} has no option {option!r}{did_you_mean(option, known)}")
    return make(**values)


def _maker(name: str, values: Mapping[str, Any]) -> Callable[..., Fake]:
    if "url" in values:
        from retrysim.fakes.api import API

        return partial(API, name=name)
    if name == _TWITTER:
        from retrysim.fakes.twitter import Twitter

        return Twitter
    known = fake_names()
    if name not in known:
        there_are = f"there are {', '.join(known)}; one's own needs a url"
        raise FakeError(f"no fake {name!r}{did_you_mean(name, known)} ({there_are})")
    from retrysim.fakes.vendor_api import VendorAPI

    return partial(VendorAPI, name)
