"""A fake on a port of the loopback: real sockets, real time, and a log that says why."""

from __future__ import annotations

import http.client
import socket
import sys
import threading
import time

import httpx
import pytest
import requests
from wire_helpers import Scripted, ok

from retrysim.fakes import Twitter
from retrysim.fakes.api import API
from retrysim.fakes.call import Call
from retrysim.fakes.response import Break, Response
from retrysim.wire import HandlerAt, LoopbackServer, loopback
from retrysim.wire.call_log import describe, summary

NOON_NS = 1_438_603_200_000_000_000  # 2015-08-03T12:00:00Z
SECOND = 1_000_000_000


def serve(*responses):
    return LoopbackServer(HandlerAt(Scripted(*responses), "api.test"))


def test_clients_of_any_kind_are_served_and_the_limit_counts():
    crm = API("https://crm.acme.io", limit="2 per minute", per="all")

    with LoopbackServer(crm) as server:
        statuses = [
            requests.get(f"{server.url}/a").status_code,
            httpx.get(f"{server.url}/a").status_code,
            requests.get(f"{server.url}/a").status_code,
        ]

    assert statuses == [200, 200, 429]


def test_request_reaches_the_fake_under_its_own_host():
    handler = Scripted(ok())

    with LoopbackServer(HandlerAt(handler, "api.test")) as server:
        requests.get(f"{server.url}/a?b=1", headers={"X-Token": "t"})
        requests.get(f"{server.url}/", headers={"Host": "other.test"})

    assert [(request.scheme, request.host) for request in handler.requests] == [("http", "api.test")] * 2
    assert (handler.requests[0].path, handler.requests[0].query_string) == ("/a", "b=1")
    assert (handler.requests[0].header("x-token"), handler.requests[0].client_ip) == ("t", "127.0.0.1")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 on the loopback")
def test_fake_sees_the_clients_address():
    handler = Scripted(ok())

    with LoopbackServer(HandlerAt(handler, "api.test")) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, source_address=("127.0.0.2", 0))
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()

    assert handler.requests[0].client_ip == "127.0.0.2"


def test_connection_is_kept_alive():
    with serve(ok(b"1"), ok(b"2")) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        bodies = []
        for _ in range(2):
            connection.request("GET", "/")
            bodies.append((connection.sock.getsockname(), connection.getresponse().read()))
        connection.close()

    assert [body for _, body in bodies] == [b"1", b"2"]
    assert bodies[0][0] == bodies[1][0]


@pytest.mark.parametrize(
    ("broken", "kind", "message"),
    [
        (Break.REFUSED, requests.ConnectionError, "Connection reset by peer"),
        (Break.RESET, requests.ConnectionError, "Connection reset by peer"),
        (Break.SILENCE, requests.ReadTimeout, "Read timed out. (read timeout=0.05)"),
        (Break.TRUNCATED, requests.exceptions.ChunkedEncodingError, "IncompleteRead(2 bytes read, 3 more expected)"),
    ],
)
def test_connection_breaks_for_real(broken, kind, message):
    with serve(ok(broken=broken)) as server, pytest.raises(kind) as error:
        requests.get(server.url, timeout=0.05)

    assert message in str(error.value)


def test_latency_takes_real_time():
    with serve(ok(latency_ns=30_000_000)) as server:
        begun = time.perf_counter()
        requests.get(server.url)
        seconds = time.perf_counter() - begun

    assert seconds >= 0.03


def test_many_clients_are_served_at_a_time():
    together = threading.Barrier(8)

    def handler(request):
        together.wait(timeout=10)
        return ok(request.path.encode())

    answers = {}

    def call(number):
        answers[number] = requests.get(f"{server.url}/{number}").text

    with LoopbackServer(HandlerAt(handler, "api.test")) as server:
        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == {number: f"/{number}" for number in range(8)}


def test_stopping_ends_idle_silent_and_late_connections():
    before = threading.active_count()
    handler = Scripted(ok(), ok(broken=Break.SILENCE), ok(latency_ns=3600 * SECOND))
    server = LoopbackServer(HandlerAt(handler, "api.test"))
    server.start()
    connections = []
    for number in range(3):
        connections.append(socket.create_connection(("127.0.0.1", server.port), timeout=5))
        connections[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wait_until(lambda number=number: len(handler.requests) == number + 1)

    server.stop()

    received = []
    for connection in connections:
        with connection, connection.makefile("rb") as file:
            received.append(file.read()[-5:])
    assert received == [b"hello", b"", b""]
    assert wait_until(lambda: threading.active_count() == before)


def wait_until(condition):
    """Threads end a moment after their connection."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(500))


def test_port_can_be_chosen_and_is_free_again_afterwards(closed_port):
    servers = [LoopbackServer(API("https://crm.acme.io"), port=closed_port) for _ in range(2)]

    urls = []
    for server in servers:
        with server:
            urls.append(server.url)
            assert requests.get(server.url).ok

    assert urls == [f"http://127.0.0.1:{closed_port}"] * 2


def test_port_that_is_taken_is_an_error_and_leaves_nothing_behind(real_port):
    crm = API("https://crm.acme.io")

    with pytest.raises(OSError, match="Address already in use"):
        LoopbackServer(crm, port=real_port).start()

    assert crm.observers == []


def test_every_call_is_said_with_its_reason():
    lines = []
    crm = API("https://crm.acme.io", limit="1 per minute", per="all")

    with LoopbackServer(crm, say=lines.append) as server:
        for _ in range(2):
            requests.get(f"{server.url}/a?token=secret")

    assert [line.split(" ", 1)[1].split(":", 1)[0] for line in lines] == [
        "200 GET /a  everybody-1",
        "429 GET /a  everybody-1 has used up its 1 of requests",
    ]
    assert "secret" not in "".join(lines)
    assert crm.observers == []


def test_calls_of_a_plain_handler_are_said_without_their_query():
    lines = []
    handler = Scripted(ok(), Response(status=429))

    with LoopbackServer(HandlerAt(handler, "api.test"), say=lines.append) as server:
        for _ in range(2):
            requests.get(f"{server.url}/a?token=secret")

    assert [line.split(" ", 1)[1] for line in lines] == ["200 GET /a", "429 GET /a"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"status": 200, "decision": "served", "partition": "token-1", "limit": 180, "remaining": 179},
            "12:00:05 200 GET /a  token-1: 179 of 180 left until 12:15:00",
        ),
        (
            {
                "status": 429,
                "decision": "limited",
                "partition": "token-1",
                "limit": 180,
                "remaining": 0,
                "bucket": "/a",
                "retry_at_ns": NOON_NS + 899 * SECOND + 1,
            },
            "12:00:05 429 GET /a  token-1 has used up its 180 of /a: served again at 12:14:59, in 14m55s",
        ),
        (
            {"status": 429, "decision": "limited", "partition": "app-1", "limit": 1, "remaining": 0, "bucket": "/a"},
            "12:00:05 429 GET /a  app-1 has used up its 1 of /a: never served again",
        ),
        (
            {"status": 401, "decision": "refused", "reason": "who are you?"},
            "12:00:05 401 GET /a  turned away before it was counted: who are you?",
        ),
        (
            {
                "status": 429,
                "decision": "limited",
                "reason": "limited on purpose",
                "partition": "ip-1",
                "limit": 9,
                "remaining": 8,
            },
            "12:00:05 429 GET /a  limited on purpose: ip-1 has 8 of 9 left",
        ),
        ({"status": 0, "decision": "broken", "broken": "reset"}, "12:00:05 reset GET /a  broken on purpose"),
    ],
)
def test_line_of_a_call_says_where_the_limit_stood(fields, expected):
    reset_ns = NOON_NS + 900 * SECOND if "limit" in fields else None

    call = Call(at_ns=NOON_NS + 5 * SECOND, fake="crm", endpoint="GET /a", reset_ns=reset_ns, **fields)

    assert describe(call) == expected


def test_each_call_that_is_turned_away_is_said_with_why_and_counted_in_the_summary():
    lines = []
    twitter = Twitter(era="2013-2015", trouble={"rate_limited": "call 3 of GET /1.1/statuses/user_timeline.json"})
    timeline = "/1.1/statuses/user_timeline.json?user_id=1"
    credentials = {"Authorization": "Bearer secret"}

    with LoopbackServer(twitter, say=lines.append) as server:
        requests.get(f"{server.url}/nothing")
        requests.get(f"{server.url}{timeline}")
        requests.get(f"{server.url}{timeline}", headers=credentials)
        requests.get(f"{server.url}{timeline}", headers=credentials)

    path = "GET /1.1/statuses/user_timeline.json"
    why = 'turned away before it was counted: {"errors":[{"message":"Bad Authentication data","code":215}]}'
    shown = [line.split(" ", 1)[1] for line in lines]
    assert shown[:2] == [
        "404 GET /nothing  turned away before it was counted: no endpoint has this method and path",
        f"400 {path}  {why}",
    ]
    assert shown[2].startswith(f"200 {path}  app-1: 299 of 300 left until ")
    assert shown[3] == f"429 {path}  limited on purpose: app-1 has 299 of 300 left"
    assert summary(twitter.calls) == [
        "4 calls",
        "     1 x 404 GET /nothing  turned away before it was counted: no endpoint has this method and path",
        f"     1 x 400 {path}  {why}",
        f"     1 x 200 {path}",
        f"     1 x 429 {path}  limited on purpose",
    ]
    assert "secret" not in "".join(lines)


def test_what_is_no_request_or_too_large_is_said(monkeypatch):
    monkeypatch.setattr(loopback, "LONGEST_BODY", 3)
    lines = []

    with LoopbackServer(HandlerAt(Scripted(), "api.test"), say=lines.append) as server:
        for sent in b"hello\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nlong":
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                connection.sendall(sent)
                assert connection.makefile("rb").read().startswith(b"HTTP/1.1 4")

    assert [line.split(" ", 1)[1] for line in lines] == [
        "400 Bad Request: illegal request line  turned away before it was counted",
        "413 Content Too Large: at most 3 bytes  turned away before it was counted",
    ]


def test_an_idle_connection_that_is_closed_is_said(monkeypatch):
    monkeypatch.setattr(loopback, "IDLE_S", 0.01)
    lines = []

    with LoopbackServer(HandlerAt(Scripted(), "api.test"), say=lines.append) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            assert connection.makefile("rb").read() == b""
        assert wait_until(lambda: lines)

    assert [line.split(" ", 1)[1] for line in lines] == ["closed a connection that was idle for 0.01 s"]
