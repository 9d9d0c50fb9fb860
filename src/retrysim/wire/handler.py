"""What stands behind every client: a function from a request to a response, and how one is found for a host."""

from __future__ import annotations

from collections.abc import Callable

from retrysim.fakes.request import Request
from retrysim.fakes.response import Response

#: Answers one request. Latency and a broken connection are data in the response; what it raises, the caller gets.
Handler = Callable[[Request], Response]

#: Who serves ``(scheme, host, port)``? ``None``: nobody, the real network is used. It may raise to refuse the call.
Find = Callable[[str, str, int], Handler | None]
