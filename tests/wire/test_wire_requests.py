"""requests and urllib3, led to a handler: their pools, retries, redirects and warnings are their own."""

from __future__ import annotations

import gzip
import threading
import warnings

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InsecureRequestWarning
from urllib3.util import Retry
from wire_helpers import HOST, Scripted, ok, serving_test_host

from retrysim.fakes.response import Break, Response
from retrysim.wire import Interceptor

URL = f"https://{HOST}/"


@pytest.fixture
def session():
    with requests.Session() as session:
        yield session


def pooled_connection(session):
    """The idle connection of the session's only pool."""
    pools = session.get_adapter(URL).poolmanager.pools
    [pool] = [pools[key] for key in pools.keys()]  # noqa: SIM118 - no mapping: it cannot be iterated
    return pool.pool.queue[-1]


def test_requests_reaches_the_handler(session):
    handler = Scripted(Response(status=200, headers=(("Content-Type", "application/json"),), body=b'{"a": 1}'))

    with serving_test_host(handler):
        response = session.post(URL + "x", params={"q": "1"}, json={"b": 2}, timeout=5)

    assert (response.status_code, response.reason, response.json()) == (200, "OK", {"a": 1})
    [request] = handler.requests
    assert (request.method, request.path, request.query, request.body) == ("POST", "/x", {"q": "1"}, b'{"b": 2}')


def test_connection_is_pooled_between_requests(session):
    with serving_test_host(Scripted(ok())):
        session.get(URL)
        first = pooled_connection(session).sock
        session.get(URL)
        second = pooled_connection(session).sock

    assert first is not None
    assert second is first


def test_large_upload_in_chunks_and_large_answer_arrive_whole(session):
    body = bytes(range(256)) * 12_000
    handler = Scripted(ok(body))

    with serving_test_host(handler):
        response = session.post(URL, data=iter([body[:1_000_000], body[1_000_000:]]))

    assert response.content == body
    assert handler.requests[0].body == body


def test_gzip_is_undone_by_the_client(session):
    handler = Scripted(ok(gzip.compress(b"hello"), headers=(("Content-Encoding", "gzip"),)))

    with serving_test_host(handler):
        response = session.get(URL)

    assert response.text == "hello"


def test_redirect_is_followed_by_the_client(session):
    there = Response(status=302, headers=(("Location", "/there"), ("Set-Cookie", "k=v")))
    handler = Scripted(there, ok())

    with serving_test_host(handler):
        response = session.get(URL)

    assert response.url == URL + "there"
    assert handler.requests[1].header("Cookie") == "k=v"


def test_retry_of_urllib3_waits_as_long_as_the_header_says(session, slept):
    limited = Response(status=429, headers=(("Retry-After", "30"),))
    handler = Scripted(limited, limited, ok())
    session.mount("https://", HTTPAdapter(max_retries=Retry(total=5, status_forcelist=[429])))

    with serving_test_host(handler):
        response = session.get(URL)

    assert response.status_code == 200
    assert slept == [30, 30]


def test_refused_connection_counts_as_a_failed_connect_so_that_a_post_is_retried(session):
    handler = Scripted(ok(broken=Break.REFUSED), ok(broken=Break.REFUSED), ok())
    session.mount("https://", HTTPAdapter(max_retries=Retry(connect=2, read=0, backoff_factor=0)))

    with serving_test_host(handler):
        response = session.post(URL, data=b"x")

    assert response.text == "hello"


@pytest.mark.parametrize(
    ("broken", "kind", "message"),
    [
        (Break.REFUSED, requests.ConnectionError, "Failed to establish a new connection: [Errno 111] Connection ref"),
        (Break.RESET, requests.ConnectionError, "ConnectionResetError(104, 'Connection reset by peer')"),
        (Break.SILENCE, requests.ReadTimeout, "Read timed out. (read timeout=4)"),
        (Break.TRUNCATED, requests.exceptions.ChunkedEncodingError, "IncompleteRead(2 bytes read, 3 more expected)"),
    ],
)
def test_broken_connection_raises_what_requests_raises_for_it(session, slept, broken, kind, message):
    with serving_test_host(Scripted(ok(broken=broken))), pytest.raises(kind) as error:
        session.get(URL, timeout=(1, 4))

    assert type(error.value) is kind
    assert message in str(error.value)
    assert slept == ([4] if broken is Break.SILENCE else [])


def test_latency_is_what_the_response_took(session, slept):
    with serving_test_host(Scripted(ok(latency_ns=250_000_000))):
        session.get(URL, timeout=1)

    assert slept == [0.25]


def test_unverified_request_is_warned_about_as_ever(session):
    with serving_test_host(Scripted(ok())), pytest.warns(InsecureRequestWarning):
        session.get(URL, verify=False)


def test_verified_request_is_not_warned_about(session):
    with serving_test_host(Scripted(ok())), warnings.catch_warnings():
        warnings.simplefilter("error")
        response = session.get(URL)

    assert response.ok


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_of_the_environment_is_passed_by(session, scheme, closed_port, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    handler = Scripted(ok())

    with serving_test_host(handler):
        texts = [session.get(f"{scheme}://{HOST}/a").text for _ in range(2)]

    assert texts == ["hello", "hello"]
    assert [(request.scheme, request.path) for request in handler.requests] == [(scheme, "/a"), (scheme, "/a")]


def test_host_that_nobody_serves_goes_through_its_proxy(session, real_port, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{real_port}")

    with serving_test_host(Scripted(ok())):
        texts = [session.get(f"http://{host}/").text for host in ("other.test", HOST, "other.test")]

    assert texts == ["real", "hello", "real"]


def test_connection_pooled_before_is_not_used_for_a_served_host(session, real_port):
    url = f"http://127.0.0.1:{real_port}/"
    before = session.get(url).text

    with Interceptor(lambda scheme, host, port: Scripted(ok()) if port == real_port else None):
        during = session.get(url).text

    assert (before, during, session.get(url).text) == ("real", "hello", "real")


def test_refusal_on_a_connection_pooled_before_is_a_failed_connect_too(session, real_port):
    url = f"http://127.0.0.1:{real_port}/"
    session.get(url)
    handler = Scripted(ok(broken=Break.REFUSED))

    with Interceptor(lambda *_: handler), pytest.raises(requests.ConnectionError) as error:
        session.get(url)

    assert isinstance(error.value.args[0].reason, urllib3.exceptions.NewConnectionError)


def test_pooled_connection_in_memory_counts_as_dropped_afterwards(session):
    with serving_test_host(Scripted(ok())):
        session.get(URL)
        connection = pooled_connection(session)
        dropped = urllib3.util.connection.is_connection_dropped(connection)

    assert (dropped, urllib3.util.connection.is_connection_dropped(connection)) == (False, True)


def test_session_outlives_several_interceptors(session):
    texts = []
    for text in (b"first", b"second"):
        with serving_test_host(Scripted(ok(text))):
            texts.append(session.get(URL).text)

    assert texts == ["first", "second"]


def test_streamed_answer_is_read_piece_by_piece(session):
    with serving_test_host(Scripted(ok(b"0123456789"))):
        response = session.get(URL, stream=True)

        assert list(response.iter_content(4)) == [b"0123", b"4567", b"89"]


def test_threads_get_their_own_answers():
    def echo(request):
        return ok(request.path.encode())

    answers = {}

    def call(number):
        with requests.Session() as session:
            answers[number] = [session.get(f"{URL}{number}-{turn}").text for turn in range(20)]

    with serving_test_host(echo):
        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == {number: [f"/{number}-{turn}" for turn in range(20)] for number in range(8)}
