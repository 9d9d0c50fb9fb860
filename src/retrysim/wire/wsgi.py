"""A fake as a WSGI application (PEP 3333), for ``httpx.WSGITransport`` or a server of one's own choice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from http.client import responses as reasons
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from retrysim.durations import SECOND
from retrysim.fakes.request import Request
from retrysim.fakes.response import Break, Response
from retrysim.wire.broken import reset_error
from retrysim.wire.served import Served, host_asked_for

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: What a path may hold unquoted (RFC 3986, section 3.3).
_PATH_SAFE = "/:@!$&'()*+,;=~"
#: Headers of one connection, which belong to the server (PEP 3333, "Other HTTP features").
_HOP_BY_HOP = {"connection", "transfer-encoding"}


def wsgi_app(fake: Served) -> WSGIApplication:
    """The application. Latency is slept; a broken connection raises ``ConnectionResetError`` to the server."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        response = fake.handle(_request(environ, fake))
        if response.latency_ns:
            time.sleep(response.latency_ns / SECOND)
        if response.broken not in (None, Break.TRUNCATED):
            raise reset_error()
        start_response(f"{response.status} {reasons.get(response.status, '')}".strip(), _headers(response))
        return _body(response)

    return app


def _request(environ: Mapping[str, Any], fake: Served) -> Request:
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return Request(
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        host=host_asked_for(fake, environ.get("HTTP_HOST", "")),
        path=quote(path.encode("latin-1"), safe=_PATH_SAFE) or "/",
        query_string=environ.get("QUERY_STRING", ""),
        headers=tuple(_request_headers(environ)),
        body=environ["wsgi.input"].read(length) if length else b"",
        client_ip=environ.get("REMOTE_ADDR", "127.0.0.1"),
    )


def _request_headers(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """WSGI keeps neither order nor case: ``HTTP_X_TOKEN`` was ``X-Token``, more or less."""
    for key, value in environ.items():
        name = key.removeprefix("HTTP_")
        if name != key or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value):
            yield name.replace("_", "-").title(), value


def _headers(response: Response) -> list[tuple[str, str]]:
    headers = [(name, value) for name, value in response.headers if name.lower() not in _HOP_BY_HOP]
    if "content-length" not in {name.lower() for name, _ in headers} and response.status not in (204, 304):
        headers.append(("Content-Length", str(len(response.body))))
    return headers


def _body(response: Response) -> Iterator[bytes]:
    if response.broken is Break.TRUNCATED:
        yield response.body[: len(response.body) // 2]
        raise reset_error()
    yield response.body
