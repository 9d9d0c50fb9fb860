"""Fakes of HTTP APIs: they answer as the vendor does, limits included, and do no I/O."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrysim.fakes.api import API
    from retrysim.fakes.call import Call
    from retrysim.fakes.fake import Fake
    from retrysim.fakes.mount import Mounted
    from retrysim.fakes.request import Request
    from retrysim.fakes.response import Break, Response
    from retrysim.fakes.twitter import Twitter
    from retrysim.fakes.vendor_api import VendorAPI
    from retrysim.fakes.vendors import (
        AWS,
        Anthropic,
        Discord,
        GitHub,
        OpenAI,
        Reddit,
        Shopify,
        Slack,
        Spotify,
        Stripe,
    )
    from retrysim.fakes.visit import Visit

__all__ = [
    "API",
    "AWS",
    "Anthropic",
    "Break",
    "Call",
    "Discord",
    "Fake",
    "GitHub",
    "Mounted",
    "OpenAI",
    "Reddit",
    "Request",
    "Response",
    "Shopify",
    "Slack",
    "Spotify",
    "Stripe",
    "Twitter",
    "VendorAPI",
    "Visit",
]

_HOMES = {
    "API": "api",
    "Break": "response",
    "Call": "call",
    "Fake": "fake",
    "Mounted": "mount",
    "Request": "request",
    "Response": "response",
    "Twitter": "twitter",
    "VendorAPI": "vendor_api",
    "Visit": "visit",
}


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'vendors')}"), name)


def __dir__() -> list[str]:
    return __all__
