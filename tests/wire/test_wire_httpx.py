"""httpx on httpcore, led to a handler: synchronous, under asyncio and under trio."""

from __future__ import annotations

import asyncio

import httpcore
import httpx
import pytest
import trio
from wire_helpers import HOST, Scripted, ok, serving_test_host

from retrysim.fakes.response import Break, Response
from retrysim.wire import Interceptor

URL = f"https://{HOST}/"
RUNNERS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(lambda main: trio.run(lambda: main), id="trio")]


@pytest.fixture
def slept_async(monkeypatch):
    """The seconds that a task slept, who did not really."""
    naps = []

    async def nap(seconds):
        naps.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", nap)
    monkeypatch.setattr(trio, "sleep", nap)
    return naps


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_httpx_reaches_the_handler(scheme):
    handler = Scripted(Response(status=429, headers=(("Retry-After", "7"),), body=b"slow"), ok())

    with serving_test_host(handler), httpx.Client() as client:
        responses = [client.post(f"{scheme}://{HOST}/a?b=1", content=b"xyz") for _ in range(2)]

    assert [(r.status_code, r.reason_phrase) for r in responses] == [(429, "Too Many Requests"), (200, "OK")]
    assert responses[0].headers["retry-after"] == "7"
    assert (handler.requests[0].query, handler.requests[0].body) == ({"b": "1"}, b"xyz")


@pytest.mark.parametrize("run", RUNNERS)
def test_async_client_reaches_the_handler_after_its_latency(run, slept_async):
    handler = Scripted(ok(latency_ns=2_500_000_000))

    async def call():
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(URL)).text

    with serving_test_host(handler):
        text = run(call())

    assert text == "hello"
    assert slept_async == [2.5]


BROKEN = [
    (Break.REFUSED, httpx.ConnectError, "[Errno 111] Connection refused"),
    (Break.RESET, httpx.ReadError, "[Errno 104] Connection reset by peer"),
    (Break.SILENCE, httpx.ReadTimeout, "The read operation timed out"),
    (
        Break.TRUNCATED,
        httpx.RemoteProtocolError,
        "peer closed connection without sending complete message body (received 2 bytes, expected 5)",
    ),
]


@pytest.mark.parametrize(("broken", "kind", "message"), BROKEN)
def test_broken_connection_raises_what_httpx_raises_for_it(broken, kind, message, slept):
    with (
        serving_test_host(Scripted(ok(broken=broken))),
        httpx.Client(timeout=4) as client,
        pytest.raises(kind) as error,
    ):
        client.get(URL)

    assert str(error.value) == message
    assert slept == ([4] if broken is Break.SILENCE else [])


@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize(("broken", "kind", "message"), BROKEN)
def test_broken_connection_raises_the_same_in_an_async_client(run, broken, kind, message, slept_async):
    async def call():
        async with httpx.AsyncClient(timeout=4) as client:
            await client.get(URL)

    with serving_test_host(Scripted(ok(broken=broken))), pytest.raises(kind) as error:
        run(call())

    assert str(error.value) == message
    assert slept_async == ([4] if broken is Break.SILENCE else [])


@pytest.mark.parametrize("run", RUNNERS)
def test_silence_without_a_timeout_waits_until_it_is_cancelled(run):
    async def call():
        async with httpx.AsyncClient(timeout=None) as client:
            await client.get(URL)

    async def cancelled_call():
        if run is asyncio.run:
            async with asyncio.timeout(0.01):
                await call()
        with trio.fail_after(0.01):
            await call()

    with serving_test_host(Scripted(ok(broken=Break.SILENCE))), pytest.raises((TimeoutError, trio.TooSlowError)):
        run(cancelled_call())


def test_connection_is_pooled_between_requests():
    with serving_test_host(Scripted(ok())), httpcore.ConnectionPool() as pool:
        pool.request("GET", URL)
        pool.request("GET", URL)

        assert [connection.info() for connection in pool.connections] == [
            "'https://api.test:443', HTTP/1.1, IDLE, Request Count: 2"
        ]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_is_passed_by(scheme, closed_port):
    proxy = f"http://127.0.0.1:{closed_port}"

    async def call():
        async with httpx.AsyncClient(proxy=proxy) as client:
            return (await client.get(f"{scheme}://{HOST}/")).text

    with serving_test_host(Scripted(ok())), httpx.Client(proxy=proxy) as client:
        texts = [client.get(f"{scheme}://{HOST}/").text, asyncio.run(call())]

    assert texts == ["hello", "hello"]


def test_host_that_nobody_serves_is_real(real_port):
    with serving_test_host(Scripted(ok())), httpx.Client() as client:
        assert client.get(f"http://127.0.0.1:{real_port}/").text == "real"


def test_unix_socket_is_real_whatever_host_its_url_names(tmp_path):
    transport = httpx.HTTPTransport(uds=str(tmp_path / "nobody.sock"))

    with (
        serving_test_host(Scripted(ok())),
        httpx.Client(transport=transport) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.get(URL)


def test_connection_pooled_before_is_not_used_for_a_served_host(real_port):
    url = f"http://127.0.0.1:{real_port}/"

    with httpx.Client() as client:
        before = client.get(url).text
        with Interceptor(lambda scheme, host, port: Scripted(ok()) if port == real_port else None):
            during = client.get(url).text
        after = client.get(url).text

    assert (before, during, after) == ("real", "hello", "real")


def test_connection_pooled_before_is_not_used_by_an_async_client_either(real_port):
    url = f"http://127.0.0.1:{real_port}/"

    async def call():
        async with httpx.AsyncClient() as client:
            before = (await client.get(url)).text
            with Interceptor(lambda scheme, host, port: Scripted(ok()) if port == real_port else None):
                during = (await client.get(url)).text
            return before, during, (await client.get(url)).text

    assert asyncio.run(call()) == ("real", "hello", "real")


def test_tasks_take_turns_although_nobody_is_slow():
    turns = []

    def handler(request):
        turns.append(request.path)
        return ok()

    async def call(client, name):
        for turn in range(2):
            await client.get(f"{URL}{name}{turn}")

    async def both():
        async with httpx.AsyncClient() as client:
            await asyncio.gather(call(client, "a"), call(client, "b"))

    with serving_test_host(handler):
        asyncio.run(both())

    assert turns == ["/a0", "/b0", "/a1", "/b1"]


def test_what_a_handler_raises_is_what_the_caller_gets():
    def handler(request):
        raise ZeroDivisionError("a bug in the handler")

    with serving_test_host(handler), httpx.Client() as client, pytest.raises(ZeroDivisionError, match=r"^a bug in"):
        client.get(URL)


def test_httpx2_on_httpcore2_is_led_in_the_same_way(slept):
    httpx2 = pytest.importorskip("httpx2", reason="httpx2 is not installed")

    async def call():
        async with httpx2.AsyncClient() as client:
            return (await client.get(URL)).text

    with serving_test_host(Scripted(ok(), ok(), ok(broken=Break.SILENCE))), httpx2.Client(timeout=3) as client:
        texts = [client.get(URL).text, asyncio.run(call())]
        with pytest.raises(httpx2.ReadTimeout):
            client.get(URL)

    assert texts == ["hello", "hello"]
    assert slept == [3]


def test_a_connection_that_is_kept_across_two_loops_of_asyncio_is_closed_with_the_first():
    """As with a real server, which sees the request whose answer nobody reads."""
    handler, answers = Scripted(*(ok() for _ in range(5))), []

    with serving_test_host(handler):
        client = httpx.AsyncClient()
        for _ in range(5):
            try:
                answers.append(asyncio.run(client.get(URL)).status_code)
            except RuntimeError as error:
                answers.append(str(error))

    assert answers == [200, "Event loop is closed", 200, "Event loop is closed", 200]
    assert len(handler.requests) == 5
