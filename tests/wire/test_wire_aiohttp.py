"""aiohttp, led to a handler; what takes time takes it by the event loop's clock."""

from __future__ import annotations

import asyncio
import gzip

import aiohttp
import pytest
from wire_helpers import HOST, Scripted, ok, serving_test_host

from retrysim.fakes.response import Break, Response
from retrysim.wire import Interceptor

URL = f"https://{HOST}/"


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0].when())
        super()._run_once()


def run(coroutine_function, handler):
    """The result, and the seconds it took on the loop's clock."""

    async def main():
        async with aiohttp.ClientSession() as session:
            return await coroutine_function(session)

    with serving_test_host(handler), asyncio.Runner(loop_factory=JumpingLoop) as runner:
        result = runner.run(main())
        return result, runner.get_loop().now


async def get_text(session, url=URL, **options):
    async with session.get(url, **options) as response:
        return await response.text()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_aiohttp_reaches_the_handler(scheme):
    handler = Scripted(Response(status=429, headers=(("Retry-After", "7"),), body=b"slow"))

    async def call(session):
        async with session.post(f"{scheme}://{HOST}/a?b=1", data=b"xyz") as response:
            return response.status, response.reason, response.headers["retry-after"], await response.read()

    result, _ = run(call, handler)

    assert result == (429, "Too Many Requests", "7", b"slow")
    assert (handler.requests[0].scheme, handler.requests[0].query) == (scheme, {"b": "1"})
    assert handler.requests[0].body == b"xyz"


def test_latency_passes_on_the_loops_clock():
    result, seconds = run(get_text, Scripted(ok(latency_ns=12_500_000_000)))

    assert (result, seconds) == ("hello", 12.5)


@pytest.mark.parametrize(
    ("broken", "kind", "message"),
    [
        (Break.REFUSED, aiohttp.ClientConnectorError, "[Connection refused]"),
        (Break.RESET, aiohttp.ClientOSError, "[Errno 104] Connection reset by peer"),
        (Break.SILENCE, aiohttp.ServerTimeoutError, "Timeout on reading data from socket"),
        (Break.TRUNCATED, aiohttp.ClientPayloadError, "Response payload is not completed"),
    ],
)
def test_broken_connection_raises_what_aiohttp_raises_for_it(broken, kind, message):
    async def call(session):
        with pytest.raises(kind) as error:
            await get_text(session, timeout=aiohttp.ClientTimeout(total=None, sock_read=4))
        return error.value

    error, seconds = run(call, Scripted(ok(broken=broken)))

    assert isinstance(error, kind)
    assert message in str(error)
    assert seconds == (4 if broken is Break.SILENCE else 0)


def test_total_timeout_ends_a_silence():
    async def call(session):
        with pytest.raises(TimeoutError):
            await get_text(session, timeout=aiohttp.ClientTimeout(total=3))

    _, seconds = run(call, Scripted(ok(broken=Break.SILENCE)))

    assert seconds == 3


def test_connection_is_pooled_and_survives_refusals():
    handler = Scripted(ok(b"1"), ok(b"2"), ok(broken=Break.REFUSED), ok(b"3"))

    async def call(session):
        texts = [await get_text(session), await get_text(session)]
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.post(URL)  # a GET would be sent again at once: that is aiohttp's way with pooled connections
        return [*texts, await get_text(session)]

    texts, _ = run(call, handler)

    assert texts == ["1", "2", "3"]


def test_large_compressed_answer_arrives_whole():
    body = bytes(range(256)) * 12_000
    handler = Scripted(ok(gzip.compress(body), headers=(("Content-Encoding", "gzip"),)))

    async def call(session):
        async with session.get(URL) as response:
            return await response.read()

    received, _ = run(call, handler)

    assert received == body


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_is_passed_by(scheme, closed_port):
    async def call(session):
        return await get_text(session, f"{scheme}://{HOST}/", proxy=f"http://127.0.0.1:{closed_port}")

    text, _ = run(call, Scripted(ok()))

    assert text == "hello"


def test_what_a_handler_raises_is_what_the_caller_gets():
    def handler(request):
        raise ZeroDivisionError("a bug in the handler")

    async def call(session):
        with pytest.raises(ZeroDivisionError, match=r"^a bug in the handler$"):
            await get_text(session)
        return True

    assert run(call, handler) == (True, 0)


def test_connection_pooled_before_is_not_used_for_a_served_host(real_port):
    url = f"http://127.0.0.1:{real_port}/"

    async def call():
        async with aiohttp.ClientSession() as session:
            before = await get_text(session, url)
            with Interceptor(lambda scheme, host, port: Scripted(ok()) if port == real_port else None):
                during = await get_text(session, url)
            return before, during, await get_text(session, url)

    assert asyncio.run(call()) == ("real", "hello", "real")
