"""Fakes by name, as a scenario file or a command line asks for them: ``make_fake("twitter", {"era": "2013-2015"})``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from retrysim.errors import FakeError
from retrysim.fakes.dialect import dialect_names, load_dialect
from retrysim.fakes.fake import Fake
from retrysim.fakes.options import ValueKind, of_own_api, of_twitter, of_vendor, wrong_options
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
    for _, what in wrong_options(name, values, kinds_of(name, own="url" in values)):
        raise FakeError(what)
    return make(**values)


def kinds_of(name: str, *, own: bool) -> Mapping[str, ValueKind]:
    """The options that a fake takes from a file or a command line, with the kind of each.

    ``own``: it is an API of one's own. Raises ``FakeError`` for an unknown name.
    """
    if own:
        return of_own_api()
    if name == _TWITTER:
        from retrysim.fakes.twitter.limits import eras
        from retrysim.fakes.twitter.limits_v2 import tiers

        return of_twitter(eras(), tiers())
    if name not in fake_names():
        raise _unknown(name)
    return of_vendor(tuple(limit.name for limit in load_dialect(name).limits))


def _unknown(name: str) -> FakeError:
    known = fake_names()
    there_are = f"there are {', '.join(known)}; an API of your own needs a url"
    return FakeError(f"no fake {name!r}{did_you_mean(name, known)} ({there_are})")


def _maker(name: str, values: Mapping[str, Any]) -> Callable[..., Fake]:
    if "url" in values:
        from retrysim.fakes.api import API

        return partial(API, name=name)
    if name == _TWITTER:
        from retrysim.fakes.twitter import Twitter

        return Twitter
    if name not in fake_names():
        raise _unknown(name)
    from retrysim.fakes.vendor_api import VendorAPI

    return partial(VendorAPI, name)
