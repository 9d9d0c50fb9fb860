"""The protocol of what can be served: it has hosts and answers requests, as every fake does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from retrysim.errors import FakeError
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.wire.handler import Find, Handler


class Served(Protocol):
    """A fake, a fake at another address, or a handler with hosts."""

    @property
    def hosts(self) -> Sequence[str]:
        """The hosts that it answers for, ``api.acme.io`` (at any port) or ``api.acme.io:8443``."""
        ...

    def handle(self, request: Request) -> Response:
        """The answer at this moment."""
        ...


@dataclass(frozen=True, slots=True)
class HandlerAt:
    """A plain function at some hosts: ``HandlerAt(lambda request: Response(status=200), "api.acme.io")``."""

    handler: Handler
    host: str

    @property
    def hosts(self) -> tuple[str, ...]:
        return (self.host,)

    def handle(self, request: Request) -> Response:
        return self.handler(request)


def finder(served: Iterable[Served]) -> Find:
    """Finds the handler of a host. Raises ``FakeError`` for two that answer for the same one."""
    table: dict[tuple[str, int | None], Handler] = {}
    for each in served:
        for host in each.hosts:
            address = _address(host)
            if address in table:
                raise FakeError(f"{host} is served already: serve a second fake at another host")
            table[address] = each.handle

    def find(scheme: str, host: str, port: int) -> Handler | None:
        return table.get((host, port)) or table.get((host, None))

    return find


def _address(host: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{host}")
        address = (parts.hostname or "", parts.port)
    except ValueError:
        address = ("", None)
    if not address[0] or parts.netloc != host:
        raise FakeError(f'{host!r} is no host: expected "api.acme.io" or "api.acme.io:8443", without a scheme')
    return address


def host_asked_for(served: Served, host_header: str) -> str:
    """The host that a request means which came to a server of ours: the one it names if it is the fake's, else its own.

    A client that was given another address (``http://127.0.0.1:8080``) names that one.
    """
    host, _, _ = host_header.lower().partition(":")
    return next((known for known in served.hosts if known in (host, host_header.lower())), served.hosts[0])
