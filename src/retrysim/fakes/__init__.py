"""Fakes of HTTP APIs: they answer as the vendor does, limits included, and do no I/O."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrysim.fakes.fake import Fake
    from retrysim.fakes.request import Request
    from retrysim.fakes.response import Response
    from retrysim.fakes.twitter import Twitter

__all__ = ["Fake", "Request", "Response", "Twitter"]

_HOMES = {"Fake": "fake", "Request": "request", "Response": "response", "Twitter": "twitter"}


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
