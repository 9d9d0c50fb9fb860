"""Who calls, by what tells callers apart: a header's value, a part of it, the address, a function, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable

from retrysim.fakes.request import Request
from retrysim.fakes.visit import Identity

EVERYBODY = Identity(kind="everybody", key="")
_AWS_KEY = re.compile(r"Credential=([^/,\s]+)")


#: What a limit is counted for: the name of what tells callers apart, or a function of the request.
Per = str | Callable[[Request], Hashable]


def caller(request: Request, per: Per) -> Identity:
    """The caller by ``per``: ``all``, ``ip``, ``aws-key`` (of a SigV4 signature), the name of a header, or a function.

    Who does not send that header is known by address.
    """
    if not isinstance(per, str):
        key = per(request)
        return Identity(kind="partition", key=key, secrets=(key,) if isinstance(key, str) else ())
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
