"""A fake on a port takes no more than a bound, and keeps nobody for ever."""

from __future__ import annotations

import socket

from retrysim.fakes import API
from retrysim.wire import loopback
from retrysim.wire.loopback import LoopbackServer


def answer_to(server, *parts):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        for part in parts:
            client.sendall(part)
        answer = b""
        while data := client.recv(65_536):
            answer += data
        return answer


def test_a_body_above_the_bound_is_refused_before_it_is_held(monkeypatch):
    monkeypatch.setattr(loopback, "LONGEST_BODY", 1_000)
    head = b"POST / HTTP/1.1\r\nHost: crm.acme.io\r\nContent-Length: 300000000\r\n\r\n"

    with LoopbackServer(API("https://crm.acme.io")) as server:
        answer = answer_to(server, head, b"x" * 1_001)

    assert answer == (
        b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 37\r\nConnection: close\r\n\r\n"
        b"Content Too Large: at most 1000 bytes"
    )


def test_an_idle_connection_is_closed(monkeypatch):
    monkeypatch.setattr(loopback, "IDLE_S", 0.05)

    with LoopbackServer(API("https://crm.acme.io")) as server:
        assert answer_to(server, b"GET / HTTP/1.1\r\n") == b""
