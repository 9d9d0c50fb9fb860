"""Leads the HTTP clients of this process to handlers, at the level where they open connections.

The clients' own code does all the rest: redirects, gzip, cookies, retries, time-outs and exceptions are genuine.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType, TracebackType
from typing import NoReturn, Self

from retrysim.errors import FakeError
from retrysim.patches.import_watch import in_each_module
from retrysim.undo import UndoStack
from retrysim.wire.clients import aiohttp, http_client, httpcore, httplib2, urllib3
from retrysim.wire.clients.client import Patch
from retrysim.wire.dialer import Dialer, raise_deadlock
from retrysim.wire.handler import Find
from retrysim.wire.line import MakeLine, faultless
from retrysim.wire.origin import Origin
from retrysim.wire.tls import make_contexts_cheap

#: The module whose classes open a library's connections, and what patches it. The first is always there.
PATCHES: Mapping[str, Patch] = MappingProxyType(
    {
        "http.client": http_client.patch,
        "urllib3.connection": urllib3.patch,
        "httplib2": httplib2.patch,
        "httpcore": httpcore.patch,
        "httpcore2": httpcore.patch,
        "aiohttp.connector": aiohttp.patch,
    }
)


class Interceptor:
    """While installed, connections to served hosts are opened in memory; ``find`` tells who serves a host.

    ``find`` gets scheme, host and port and gives a handler, or ``None`` for the real network; what it raises, the
    client's caller gets. ``hang`` is called for a read that would never end: a silent peer, no timeout. It must not
    return; by default it raises ``Deadlock``. Latency is slept with ``time.sleep`` or the event loop's own.

    A client library that is imported later is patched when it is. There can be one interceptor at a time.
    """

    def __init__(
        self,
        find: Find,
        *,
        hang: Callable[[Origin], NoReturn] = raise_deadlock,
        make_line: MakeLine = faultless,
    ) -> None:
        self._find = find
        self._hang = hang
        self._make_line = make_line
        self._installed: _Installation | None = None

    def install(self) -> None:
        """Patch the clients. Raises ``FakeError`` when this or another interceptor is installed."""
        if getattr(http.client.HTTPConnection.putrequest, "__module__", "") == http_client.__name__:
            raise FakeError(
                "hosts are served in this process already, by a simulation or a serving() block: "
                "end it first, or give it all the fakes"
            )
        self._installed = _Installation(Dialer(self._find, self._hang, self._make_line))

    def uninstall(self) -> None:
        """Undo every patch and drop every connection in memory; does nothing when not installed."""
        installed, self._installed = self._installed, None
        if installed is not None:
            installed.undo()

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()


class _Installation:
    """All that has to be undone: made whole, or not at all."""

    def __init__(self, network: Dialer) -> None:
        self._network = network
        self._undo = UndoStack()
        try:
            self._make()
        except BaseException:
            self.undo()
            raise

    def _make(self) -> None:
        make_contexts_cheap(self._undo)
        in_each_module(self._undo, PATCHES, self._patch)

    def _patch(self, module: ModuleType) -> None:
        PATCHES[module.__name__](module, self._network, self._undo)

    def undo(self) -> None:
        self._network.shut_down()
        self._undo.close()
