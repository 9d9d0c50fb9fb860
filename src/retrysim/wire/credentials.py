"""What a request and its answer hold that must not be shown: credentials in headers, query, cookies and bodies."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.trace.secrets import Redactor, names_a_secret

#: A longer body is looked into by nobody.
_LONGEST = 65_536
_HINTS = (b"token", b"secret", b"password", b"key")


def learn_from_request(redact: Redactor, request: Request) -> None:
    """Let the redactor learn the credentials that a client sends."""
    _learn_headers(redact, request.headers)
    if request.query_string:
        _learn_pairs(redact, request.query_string)
    if request.body and len(request.body) <= _LONGEST:
        text = request.body.decode("utf-8", errors="replace")
        if text.lstrip().startswith(("{", "[")):
            _learn_json(redact, text)
        elif "=" in text:
            _learn_pairs(redact, text)


def learn_from_response(redact: Redactor, response: Response) -> None:
    """Let the redactor learn the credentials that an API gives out: cookies, tokens in a JSON body."""
    _learn_headers(redact, response.headers)
    body = response.body
    if len(body) <= _LONGEST and body[:1] in (b"{", b"[") and any(hint in body for hint in _HINTS):
        _learn_json(redact, body.decode("utf-8", errors="replace"))


def _learn_headers(redact: Redactor, headers: Iterable[tuple[str, str]]) -> None:
    for name, value in headers:
        if names_a_secret(name):
            for secret in _of_header(name.lower(), value):
                redact.learn("secret", secret)


def _of_header(name: str, value: str) -> Iterator[str]:
    if name in ("cookie", "set-cookie"):
        pairs = value.split(";") if name == "cookie" else [value.partition(";")[0]]
        yield from (pair.partition("=")[2].strip() for pair in pairs)
        return
    scheme, _, credentials = value.partition(" ")
    yield value
    yield credentials
    if scheme.lower() == "basic":
        yield _password_of(credentials)


def _password_of(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _learn_pairs(redact: Redactor, text: str) -> None:
    for name, value in parse_qsl(text):
        redact.learn(name, value)


def _learn_json(redact: Redactor, text: str) -> None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    redact.learn("", value)
