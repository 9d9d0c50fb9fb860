"""OAuth 1.0a signatures (RFC 5849, HMAC-SHA1), and a door that checks them as Twitter does.

Source: developer.twitter.com "Creating a signature" (2011-2024).
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1
from urllib.parse import parse_qsl, quote

from retrysim.durations import MINUTE, SECOND
from retrysim.errors import FakeError
from retrysim.fakes.reply import Refused
from retrysim.fakes.request import Request
from retrysim.fakes.twitter import bodies
from retrysim.fakes.twitter.credentials import Credentials
from retrysim.fakes.twitter.windows import Door
from retrysim.nearest import did_you_mean

Pairs = Iterable[tuple[str, str]]

_KEYS = ("consumer_key", "consumer_secret", "token", "token_secret")
_TOLERANCE_NS = 5 * MINUTE


def signature(method: str, url: str, parameters: Pairs, *, consumer_secret: str, token_secret: str) -> str:
    """The signature of a request: ``url`` without its query, ``parameters`` all that are signed, not encoded."""
    encoded = sorted((_encode(name), _encode(value)) for name, value in parameters)
    joined = "&".join(f"{name}={value}" for name, value in encoded)
    base = "&".join(map(_encode, (method.upper(), url, joined)))
    key = f"{_encode(consumer_secret)}&{_encode(token_secret)}"
    return b64encode(hmac.new(key.encode(), base.encode(), sha1).digest()).decode()


def door(accounts: Sequence[Mapping[str, str]]) -> Door:
    """Lets in only these accounts: each a mapping of keys and secrets, or of a ``bearer`` token.

    A signature must be right and no more than five minutes old on the server's clock. Raises ``FakeError`` for an
    account that lacks a key or has another.
    """
    bearers = {account["bearer"] for account in accounts if set(account) == {"bearer"}}
    users = {
        (account["consumer_key"], account["token"]): account
        for account in map(_checked, accounts)
        if "bearer" not in account
    }

    def check(request: Request, credentials: Credentials, now_ns: int) -> None:
        if credentials.token in bearers:
            return
        account = users.get((credentials.consumer_key, credentials.token))
        if account is None or credentials.is_app:
            raise Refused(bodies.invalid_token())
        oauth = dict(credentials.oauth)
        if not _is_signed(request, oauth, account):
            raise Refused(bodies.bad_signature())
        if not _is_recent(oauth.get("oauth_timestamp", ""), now_ns):
            raise Refused(bodies.timestamp_out_of_bounds())

    return check


def _checked(account: Mapping[str, str]) -> Mapping[str, str]:
    if set(account) == {"bearer"}:
        return account
    for key in account:
        if key not in _KEYS:
            raise FakeError(f"an account has no {key!r}{did_you_mean(key, _KEYS)} (it has {', '.join(_KEYS)})")
    for key in _KEYS:
        if key not in account:
            raise FakeError(f"an account of Twitter lacks its {key!r}: expected {', '.join(_KEYS)}, or bearer alone")
    return account


def _is_signed(request: Request, oauth: Mapping[str, str], account: Mapping[str, str]) -> bool:
    others = [*parse_qsl(request.query_string, keep_blank_values=True), *_form(request)]
    signed = [(name, value) for name, value in others if not name.startswith("oauth_")]
    signed += [(name, value) for name, value in oauth.items() if name != "oauth_signature"]
    expected = signature(
        request.method,
        f"{request.scheme}://{(request.header('host') or request.host).lower()}{request.path}",
        signed,
        consumer_secret=account["consumer_secret"],
        token_secret=account["token_secret"],
    )
    return hmac.compare_digest(expected.encode(), oauth.get("oauth_signature", "").encode(errors="replace"))


def _form(request: Request) -> Pairs:
    """Every pair of a form body; JSON and multipart bodies are not signed."""
    if not request.header("content-type").startswith("application/x-www-form-urlencoded"):
        return []
    return parse_qsl(request.body.decode("latin-1"), keep_blank_values=True)


def _is_recent(timestamp: str, now_ns: int) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    return abs(now_ns - int(timestamp) * SECOND) <= _TOLERANCE_NS


def _encode(text: str) -> str:
    """Percent-encoding of RFC 3986: everything but letters, digits and ``-._~``."""
    return quote(text, safe="-._~", errors="replace")
