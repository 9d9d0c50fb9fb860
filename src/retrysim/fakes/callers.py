"""Who calls, by what tells callers apart: a header's value, a part of it, the address, or nothing."""

from __future__ import annotations

import re

from retrysim.fakes.request import Request
from retrysim.fakes.visit import Identity

EVERYBODY = Identity(kind="everybody", key="")
_AWS_KEY = re.compile(r"Credential=([^/,\s]+)")


def caller(request: Request, per: str) -> Identity:
    """The caller by ``per``: ``all``, ``ip``, ``aws-key`` (of a SigV4 signature), or the name of a header.

    Who does not send that header is known by address.
    """
    if per == "all":
        return EVERYBODY
    if per == "aws-key":
        match = _AWS_KEY.search(request.header("authorization"))
        return Identity(kind="key", key=match[1], secrets=(match[1],)) if match else _address(request)
    value = "" if per == "ip" else request.header(per)
    if not value:
        return _address(request)
    kind = "token" if per == "authorization" else per
    return Identity(kind=kind, key=value, secrets=(value, value.rpartition(" ")[2]))


def is_anonymous(identity: Identity) -> bool:
    """Whether nothing but an address is known of a caller."""
    return identity.kind == "ip"


def _address(request: Request) -> Identity:
    return Identity(kind="ip", key=request.client_ip)
