"""What a call costs through the wire, beside the mock that its users would take otherwise.

    python benchmarks/wire_calls.py [--calls 300] [--rounds 5]

Needs respx beside the dependencies of the tests. Prints microseconds of CPU time per call: the best of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiohttp
import httpx
import requests
import responses
import respx

from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.wire import HandlerAt, LoopbackServer, serving
from retrysim.wire.conversation import Conversation
from retrysim.wire.reply import WireReply
from retrysim.wire.responses_mount import mount

URL = "https://api.acme.io/1.1/users.json?user_id=3"
BODY = b'{"id": 3}'
HEADERS = (
    ("Content-Type", "application/json"),
    ("X-Rate-Limit-Limit", "180"),
    ("X-Rate-Limit-Remaining", "20"),
    ("X-Rate-Limit-Reset", "1438604100"),
)
RESPONSE = Response(status=200, headers=HEADERS, body=BODY)


def handler(request: Request) -> Response:
    return RESPONSE


FAKE = HandlerAt(handler, "api.acme.io")


class Bench:
    """Measures and prints."""

    def __init__(self, calls: int, rounds: int) -> None:
        self.calls = calls
        self.rounds = rounds

    def measure(self, name: str, call: Callable[[], object], beside: float | None = None) -> float:
        """Microseconds of CPU time per call, printed beside another figure."""
        best = min(self._round(call) for _ in range(self.rounds))
        ratio = "" if beside is None else f"{best / beside:6.2f}x"
        print(f"{name:<44}{best:8.0f} us{ratio}")
        return best

    def _round(self, call: Callable[[], object]) -> float:
        begun = time.process_time()
        for _ in range(self.calls):
            call()
        return (time.process_time() - begun) / self.calls * 1e6


def with_requests(bench: Bench) -> None:
    with responses.RequestsMock() as mock, requests.Session() as session:
        mock.get(URL.partition("?")[0], body=BODY, headers=dict(HEADERS))
        mocked = bench.measure("responses, a requests.Session", lambda: session.get(URL))
    with responses.RequestsMock() as mock, requests.Session() as session:
        mount(FAKE, mock)
        bench.measure("a fake mounted in responses", lambda: session.get(URL), mocked)
    with serving(FAKE), requests.Session() as session:
        bench.measure("wire, a requests.Session", lambda: session.get(URL), mocked)
        bench.measure("wire, a bare requests.get", lambda: requests.get(URL), mocked)
        with canned_server():
            session.get(URL)
            bench.measure("... of which the client's own, without a server", lambda: session.get(URL), mocked)
    with LoopbackServer(FAKE) as server, requests.Session() as session:
        bench.measure("a loopback server (client and server)", lambda: session.get(server.url), mocked)


@contextmanager
def canned_server() -> Iterator[None]:
    """The server's side replaced by ready bytes: what is left is the client's code and the socket in memory."""
    real = Conversation.receive
    ready: list[WireReply] = []

    def receive(self: Conversation, data: bytes) -> list[WireReply]:
        if not ready:
            ready.extend(real(self, data))
        return ready

    Conversation.receive = receive  # type: ignore[method-assign]
    try:
        yield
    finally:
        Conversation.receive = real  # type: ignore[method-assign]


def with_urllib(bench: Bench) -> None:
    with serving(FAKE):
        bench.measure("wire, urllib.request.urlopen", lambda: urllib.request.urlopen(URL).read())


def with_httpx(bench: Bench) -> None:
    with respx.mock as mock, httpx.Client() as client:
        mock.get(URL.partition("?")[0]).respond(200, content=BODY, headers=dict(HEADERS))
        mocked = bench.measure("respx, an httpx.Client", lambda: client.get(URL))
    with serving(FAKE), httpx.Client() as client:
        bench.measure("wire, an httpx.Client", lambda: client.get(URL), mocked)


def with_aiohttp(bench: Bench) -> None:
    with asyncio.Runner() as runner:

        async def open_session() -> aiohttp.ClientSession:
            return aiohttp.ClientSession()

        async def get(url: str) -> bytes:
            async with session.get(url) as response:
                body: bytes = await response.read()
                return body

        session = runner.run(open_session())
        with LoopbackServer(FAKE) as server:
            real = bench.measure("a loopback server, an aiohttp session", lambda: runner.run(get(server.url)))
        with serving(FAKE):
            bench.measure("wire, an aiohttp session", lambda: runner.run(get(URL)), real)
        runner.run(session.close())


def main() -> None:
    parser = argparse.ArgumentParser(description="What a call costs through the wire.")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    bench = Bench(given.calls, given.rounds)
    for part in (with_requests, with_urllib, with_httpx, with_aiohttp):
        part(bench)


if __name__ == "__main__":
    main()
