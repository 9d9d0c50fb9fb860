"""The way from one worker to the broker: a small TCP proxy that can be cut, or fall silent."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_RECEIVED = 65_536
_DEFAULT_PORTS = {"redis": 6379, "amqp": 5672}


class Way:
    """Listens on a free port and passes on what comes; ``url`` is the broker's with that port in place of its own."""

    def __init__(self, broker_url: str) -> None:
        parts = urlsplit(broker_url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or _DEFAULT_PORTS[parts.scheme])
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = parts._replace(netloc=f"{user}127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self._open = threading.Event()
        self._open.set()
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection; new ones are welcome."""
        for end in tuple(self._sockets):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Nothing arrives any more, in either direction."""
        self._open.clear()

    def release(self) -> None:
        """What was held arrives."""
        self._open.set()

    def close(self) -> None:
        self._listener.close()
        self.release()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                self._open.wait()
                server = socket.create_connection(self._target)
            except OSError:
                if self._listener.fileno() < 0:
                    return
                with suppress(UnboundLocalError):
                    client.close()  # the broker is down: as if it had refused
                continue
            self._sockets |= {client, server}
            for one, other in ((client, server), (server, client)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(_RECEIVED):
                self._open.wait()
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._sockets.discard(end)
