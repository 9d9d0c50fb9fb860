"""The app-only flow: ``/oauth2/token`` gives an app its bearer token, ``/oauth2/invalidate_token`` takes it back.

The token is derived from the app's key, so it stays the same, as Twitter's does until it is invalidated.
"""

from __future__ import annotations

import base64
import binascii

from retrysim.fakes.endpoint import Endpoint
from retrysim.fakes.reply import Refused, Reply
from retrysim.fakes.seeded import hex_word
from retrysim.fakes.twitter.bodies import error_reply, payload_reply, unable_to_verify
from retrysim.fakes.visit import Visit


def token_endpoints() -> list[Endpoint]:
    """Both endpoints; neither is counted."""
    functions = {"/oauth2/token": _give, "/oauth2/invalidate_token": _take_back}
    return [Endpoint.parse(f"POST {path}", function) for path, function in functions.items()]


def _give(visit: Visit) -> Reply:
    consumer_key = _consumer_key(visit)
    if visit.request.form.get("grant_type") != "client_credentials":
        raise Refused(error_reply(403, 170, "Missing required parameter: grant_type"))
    return payload_reply({"token_type": "bearer", "access_token": _bearer(consumer_key)})


def _take_back(visit: Visit) -> Reply:
    return payload_reply({"access_token": _bearer(_consumer_key(visit))})


def _consumer_key(visit: Visit) -> str:
    """The app of a Basic authorization; ends the visit with 403, code 99 when there is none."""
    scheme, _, value = visit.request.header("authorization").partition(" ")
    try:
        key, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Refused(unable_to_verify()) from None
    if scheme.lower() != "basic" or not (key and colon and secret):
        raise Refused(unable_to_verify())
    return key


def _bearer(consumer_key: str) -> str:
    return "A" * 22 + hex_word(24, "bearer", consumer_key) + "%3D" + hex_word(40, "bearer secret", consumer_key)
