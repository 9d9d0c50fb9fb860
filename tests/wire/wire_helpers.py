"""Small handlers for the tests of the wire, and what serves them."""

from __future__ import annotations

from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.wire import Handler, Interceptor

HOST = "api.test"


class Scripted:
    """A handler that gives the responses in turn, the last one for ever, and remembers the requests."""

    def __init__(self, *responses: Response) -> None:
        self.requests: list[Request] = []
        self._responses = list(responses)

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]


def ok(body: bytes = b"hello", **fields: object) -> Response:
    return Response(status=200, body=body, **fields)


def serving_test_host(handler: Handler) -> Interceptor:
    """``api.test`` is the handler, at any port, with http and https; other hosts are real."""
    return Interceptor(lambda scheme, host, port: handler if host == HOST else None)
