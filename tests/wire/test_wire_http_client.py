"""http.client and urllib.request, led to a handler."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request

import pytest
from wire_helpers import Scripted, ok, serving_test_host

from retrysim.fakes.response import Break, Response
from retrysim.wire import Interceptor


def open_url(url, *, timeout=5.0, data=None, proxy=None):
    proxies = {} if proxy is None else {"http": proxy, "https": proxy}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    with opener.open(url, data, timeout) as response:
        return response.read()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_urllib_reaches_the_handler(scheme):
    handler = Scripted(ok())

    with serving_test_host(handler):
        body = open_url(f"{scheme}://api.test/a?b=1", data=b"x=1")

    assert body == b"hello"
    [request] = handler.requests
    assert (request.method, request.scheme, request.path, request.query) == ("POST", scheme, "/a", {"b": "1"})
    assert request.form == {"x": "1"}


def test_status_of_an_error_raises_the_librarys_own_exception():
    headers = (("x-rate-limit-reset", "1438603200"),)
    handler = Scripted(Response(status=429, headers=headers, body=b"later"))

    with serving_test_host(handler), pytest.raises(urllib.error.HTTPError) as error:
        open_url("https://api.test/")

    assert str(error.value) == "HTTP Error 429: Too Many Requests"
    assert error.value.headers["X-Rate-Limit-Reset"] == "1438603200"
    assert error.value.read() == b"later"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (Break.REFUSED, "URLError(ConnectionRefusedError(111, 'Connection refused'))"),
        (Break.RESET, "ConnectionResetError(104, 'Connection reset by peer')"),
        (Break.SILENCE, "TimeoutError('The read operation timed out')"),
        (Break.TRUNCATED, "IncompleteRead(2 bytes read, 3 more expected)"),
    ],
)
def test_broken_connection_raises_what_urllib_raises_for_it(broken, expected, slept):
    handler = Scripted(ok(broken=broken))

    with serving_test_host(handler), pytest.raises((OSError, http.client.HTTPException)) as error:
        open_url("https://api.test/", timeout=5)

    assert repr(error.value) == expected
    assert slept == ([5] if broken is Break.SILENCE else [])


def test_connection_is_reused_for_the_next_request():
    handler = Scripted(ok(b"1"), ok(b"2"))

    with serving_test_host(handler):
        connection = http.client.HTTPSConnection("api.test")
        bodies = []
        for _ in range(2):
            connection.request("GET", "/")
            bodies.append((connection.sock, connection.getresponse().read()))

    assert [body for _, body in bodies] == [b"1", b"2"]
    assert bodies[0][0] is bodies[1][0]


def test_default_timeout_of_the_socket_module_counts(slept, monkeypatch):
    handler = Scripted(ok(broken=Break.SILENCE))
    monkeypatch.setattr("socket.getdefaulttimeout", lambda: 2.5)

    with serving_test_host(handler):
        connection = http.client.HTTPConnection("api.test")
        connection.request("GET", "/")
        with pytest.raises(TimeoutError):
            connection.getresponse()

    assert slept == [2.5]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_is_not_there_is_passed_by(scheme, closed_port):
    handler = Scripted(ok())

    with serving_test_host(handler):
        body = open_url(f"{scheme}://api.test/a?b=1", proxy=f"http://127.0.0.1:{closed_port}")

    assert body == b"hello"
    assert (handler.requests[0].scheme, handler.requests[0].path) == (scheme, "/a")


def test_proxy_is_used_for_hosts_that_nobody_serves(real_port):
    with serving_test_host(Scripted(ok())):
        body = open_url("http://other.test/", proxy=f"http://127.0.0.1:{real_port}")

    assert body == b"real"


def test_connection_to_a_proxy_changes_sides_with_each_request(real_port):
    with serving_test_host(Scripted(ok())):
        connection = http.client.HTTPConnection("127.0.0.1", real_port)
        bodies = []
        for host in ("other.test", "api.test", "api.test", "other.test"):
            connection.request("GET", f"http://{host}/")
            bodies.append(connection.getresponse().read())
        connection.close()

    assert bodies == [b"real", b"hello", b"hello", b"real"]


def test_connection_opened_before_is_not_used_for_a_served_host(real_port):
    connection = http.client.HTTPConnection("127.0.0.1", real_port)
    connection.request("GET", "/")
    before = connection.getresponse().read()

    with Interceptor(lambda scheme, host, port: Scripted(ok()) if port == real_port else None):
        connection.request("GET", "/")
        during = connection.getresponse().read()

    assert (before, during) == (b"real", b"hello")
    connection.close()


def test_connection_from_before_serves_on_where_nobody_else_does(real_port):
    connection = http.client.HTTPConnection("127.0.0.1", real_port)
    connection.request("GET", "/")
    connection.getresponse().read()
    real_socket = connection.sock

    with serving_test_host(Scripted(ok())):
        connection.request("GET", "/")
        body = connection.getresponse().read()

    assert body == b"real"
    assert connection.sock is real_socket
    connection.close()


def test_connection_in_memory_is_dropped_afterwards():
    with serving_test_host(Scripted(ok())):
        connection = http.client.HTTPSConnection("api.test")
        connection.request("GET", "/")
        connection.getresponse().read()

    with pytest.raises(BrokenPipeError):
        connection.request("GET", "/")


@pytest.mark.parametrize("make_context", [ssl.create_default_context, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)])
def test_class_that_wraps_its_socket_itself_is_served(make_context):
    class OwnConnection(http.client.HTTPSConnection):
        def connect(self):
            http.client.HTTPConnection.connect(self)
            self.sock = make_context().wrap_socket(self.sock, server_hostname=self.host)

    handler = Scripted(ok())

    with serving_test_host(handler):
        connection = OwnConnection("api.test")
        connection.request("GET", "/")
        body = connection.getresponse().read()

    assert body == b"hello"
    assert handler.requests[0].scheme == "https"


def test_what_find_raises_is_what_the_caller_gets():
    def refuse(scheme, host, port):
        raise LookupError(f"nobody serves {scheme}://{host}:{port}")

    with Interceptor(refuse), pytest.raises(LookupError) as error:
        open_url("https://api.test/")

    assert error.value.args == ("nobody serves https://api.test:443",)


def test_what_a_handler_raises_is_what_the_caller_gets():
    def handler(request):
        raise ZeroDivisionError("a bug in the handler")

    with serving_test_host(handler), pytest.raises(ZeroDivisionError, match=r"^a bug in the handler$"):
        open_url("https://api.test/")


def test_origin_is_found_whatever_the_hosts_spelling():
    asked = []

    def find(scheme, host, port):
        asked.append((scheme, host, port))
        return Scripted(ok())

    with Interceptor(find):
        open_url("https://API.Test./")
        open_url("http://[::1]:8080/")

    assert list(dict.fromkeys(asked)) == [("https", "api.test", 443), ("http", "::1", 8080)]
