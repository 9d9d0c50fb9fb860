"""Serves one fake on a port of the loopback, in real time, for what runs outside this process.

The server is ``socketserver`` of the standard library under the same conversation as in memory: a WSGI server could
neither break a connection nor answer byte for byte the same.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from retrysim.durations import SECOND
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.wire.call_log import describe_connection, log_calls
from retrysim.wire.conversation import Conversation
from retrysim.wire.origin import Origin
from retrysim.wire.reply import Ending, WireReply
from retrysim.wire.served import Served, host_asked_for

_RECEIVED = 65_536
#: The longest body that is taken, in bytes, and how long a connection may be idle, in seconds.
LONGEST_BODY, IDLE_S = 16 * 1024 * 1024, 60
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def _quiet(line: str) -> None:
    """Where the log goes that nobody asked for."""


class LoopbackServer:
    """``with LoopbackServer(fake) as server: ... server.url``; many clients at a time, each in a thread.

    ``port`` 0 takes a free one. ``say`` gets a line for every call: what was asked, what was answered, and why. It also
    gets one for a connection that is closed because it was idle, or because what it sent is no request that is taken.
    A refused connection can only be reset: a server that listens has accepted it before it sees the request.
    """

    def __init__(self, fake: Served, *, port: int = 0, say: Callable[[str], None] = _quiet) -> None:
        self._fake = fake
        self._asked_port = port
        self._say = say
        self._undo = ExitStack()
        self.port = 0

    @property
    def url(self) -> str:
        """The address that a client is given in the place of the API's own."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen and serve in threads. Raises ``OSError`` when the port is taken."""
        with ExitStack() as undo:
            fake = undo.enter_context(log_calls(self._fake, self._say))
            server = undo.enter_context(_Server(("127.0.0.1", self._asked_port), fake, self._say))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            undo.callback(thread.join)
            undo.callback(server.shutdown)
            self.port = server.server_address[1]
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """Close the port and every connection; does nothing when it is not running."""
        self._undo.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: Served, say: Callable[[str], None]) -> None:
        self.fake = fake
        self.say = say
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Connection)

    def server_close(self) -> None:
        """Close the port, and end what goes on at the connections: waits for latency, silence, keep-alive."""
        super().server_close()
        self.closing.set()
        for connection in list(self.connections):
            with suppress(OSError):  # the client may have gone in this moment
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.BaseRequestHandler):
    """One client's connection, from its first byte to its end."""

    server: _Server
    request: socket.socket

    def setup(self) -> None:
        self.server.connections.add(self.request)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def finish(self) -> None:
        self.server.connections.discard(self.request)

    def handle(self) -> None:
        origin = Origin("http", "127.0.0.1", self.server.server_address[1])
        conversation = Conversation(origin, self._answer, longest_body=LONGEST_BODY)
        self.request.settimeout(IDLE_S)
        try:
            while data := self.request.recv(_RECEIVED):
                if not all(self._send(reply) for reply in conversation.receive(data)):
                    return
        except ConnectionError:
            return
        except TimeoutError:
            self.server.say(describe_connection(f"closed a connection that was idle for {IDLE_S} s"))

    def _answer(self, request: Request) -> Response:
        fake = self.server.fake
        host = host_asked_for(fake, request.header("host"))
        return fake.handle(replace(request, host=host, client_ip=self.client_address[0]))

    def _send(self, reply: WireReply) -> bool:
        """Carry out one reply: is the connection still open?"""
        if reply.refusal:
            self.server.say(describe_connection(f"{reply.refusal}  turned away before it was counted"))
        if reply.latency_ns and self.server.closing.wait(reply.latency_ns / SECOND):
            return False
        if reply.data:
            self.request.sendall(reply.data)
        match reply.ending:
            case Ending.SILENT:
                self.request.settimeout(None)
                while self.request.recv(_RECEIVED):
                    pass  # until the client has had enough, or the server is stopped
            case Ending.RESET | Ending.REFUSED:
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.request.close()
        return reply.ending is Ending.OPEN
