"""httplib2, led to a handler."""

from __future__ import annotations

import httplib2
import pytest
from wire_helpers import Scripted, ok, serving_test_host

from retrysim.fakes.response import Break, Response


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_httplib2_reaches_the_handler(scheme):
    handler = Scripted(Response(status=403, headers=(("Retry-After", "5"),), body=b"quota"))

    with serving_test_host(handler):
        response, body = httplib2.Http().request(f"{scheme}://api.test/a?b=1")

    assert (response.status, response["retry-after"], body) == (403, "5", b"quota")
    assert (handler.requests[0].scheme, handler.requests[0].query) == (scheme, {"b": "1"})


def test_silence_is_a_timeout_of_httplib2(slept):
    with serving_test_host(Scripted(ok(broken=Break.SILENCE))), pytest.raises(TimeoutError):
        httplib2.Http(timeout=6).request("https://api.test/")

    assert set(slept) == {6}


def test_proxy_is_passed_by(closed_port):
    http_proxy = 3  # PySocks' PROXY_TYPE_HTTP
    proxy = httplib2.ProxyInfo(http_proxy, "127.0.0.1", closed_port)

    with serving_test_host(Scripted(ok())):
        _, body = httplib2.Http(proxy_info=proxy).request("https://api.test/")

    assert body == b"hello"
