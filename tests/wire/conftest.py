"""Fixtures of the wire's tests: recorded sleeps, and a real server on the loopback for what must not be intercepted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that anybody slept, who did not really."""
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    return naps


class _RealAnswer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"real")

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def real_port() -> Iterator[int]:
    """The port of a real server on 127.0.0.1 that says ``real``."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _RealAnswer) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_port() -> int:
    """A port of 127.0.0.1 that nobody listens on: a proxy that is not there."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _RealAnswer) as server:
        return server.server_address[1]
