"""A fake as a WSGI application."""

from __future__ import annotations

import io

import httpx
import pytest
from wire_helpers import Scripted, ok

from retrysim.fakes.response import Break, Response
from retrysim.wire import HandlerAt, wsgi_app


def client_of(handler, base_url="http://127.0.0.1:8080"):
    transport = httpx.WSGITransport(app=wsgi_app(HandlerAt(handler, "api.test")))
    return httpx.Client(transport=transport, base_url=base_url)


def test_request_reaches_the_fake_under_its_own_host():
    handler = Scripted(Response(status=429, headers=(("Retry-After", "5"), ("Connection", "close")), body=b"slow"))

    with client_of(handler) as client:
        response = client.post("/a%20b", params={"c": "1"}, content=b"xyz", headers={"X-Token": "t"})

    assert (response.status_code, response.text) == (429, "slow")
    assert dict(response.headers) == {"retry-after": "5", "content-length": "4"}
    [request] = handler.requests
    assert (request.method, request.scheme, request.host, request.path) == ("POST", "http", "api.test", "/a%20b")
    assert (request.query_string, request.body, request.header("x-token")) == ("c=1", b"xyz", "t")
    assert request.client_ip == "127.0.0.1"


def test_root_without_a_slash_has_one():
    handler = Scripted(ok())
    environ = {"PATH_INFO": "", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http", "REQUEST_METHOD": "GET"}

    body = wsgi_app(HandlerAt(handler, "api.test"))(environ, lambda status, headers: None)

    assert b"".join(body) == b"hello"
    assert handler.requests[0].path == "/"


def test_latency_is_slept(slept):
    with client_of(Scripted(ok(latency_ns=1_500_000_000))) as client:
        client.get("/")

    assert slept == [1.5]


@pytest.mark.parametrize("broken", list(Break))
def test_broken_connection_is_an_error_for_the_server(broken):
    with client_of(Scripted(ok(broken=broken))) as client, pytest.raises(ConnectionResetError):
        client.get("/")


def test_answer_without_a_body_has_no_length():
    with client_of(Scripted(Response(status=204))) as client:
        response = client.delete("/")

    assert (response.status_code, dict(response.headers)) == (204, {})
