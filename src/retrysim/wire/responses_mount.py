"""A fake inside somebody's ``responses`` test: it answers alongside the mocks that are there, and its limits count.

Latency, time-outs and broken connections are real; what ``responses`` itself does not do stays undone: it repeats a
request for urllib3's ``Retry`` without waiting.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import responses
import urllib3
from responses.registries import OrderedRegistry
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError
from urllib3.response import HTTPHeaderDict

from retrysim.errors import FakeError
from retrysim.wire.broken import refused_error
from retrysim.wire.dialer import Dialer
from retrysim.wire.origin import Origin, origin_of_url
from retrysim.wire.served import Served, finder


def mount(fake: Served, mock: Any = responses) -> None:
    """Let the fake answer for its hosts in ``mock``: the module ``responses``, or a ``RequestsMock``.

    A mock of one URL that is registered there too goes before the fake, whichever came first. Raises ``FakeError``
    when the fake is mounted already, or when the mock uses each answer once, in order.
    """
    target = getattr(mock, "mock", mock)  # the module keeps its RequestsMock under this name
    if isinstance(target.get_registry(), OrderedRegistry):
        raise FakeError(
            "an OrderedRegistry uses each answer once, and a fake goes on answering: use the default registry"
        )
    if any(isinstance(other, _Mounted) and other.fake is fake for other in target.registered()):
        raise FakeError(f"{fake.hosts[0]} is mounted already: mount it once in a test")
    target.add(_Mounted(fake, target))


class _Mounted(responses.BaseResponse):  # type: ignore[misc, unused-ignore]  # mypy skips responses
    """Every URL at the fake's hosts, as ``responses`` keeps one of its mocks."""

    def __init__(self, fake: Served, mock: Any) -> None:
        super().__init__("ANY", f"https://{fake.hosts[0]}/")
        self.fake = fake
        self._mock = mock
        self._network = Dialer(finder([fake]))

    def matches(self, request: Any) -> tuple[bool, str]:
        """Two mocks for one request are used one after the other; the fake is not one to be used up."""
        origin = origin_of_url(request.url)
        if origin is None or not self._network.serves(origin):
            return False, f"Host is not {' or '.join(self.fake.hosts)}"
        if any(other.matches(request)[0] for other in self._mock.registered() if not isinstance(other, _Mounted)):
            return False, "Another mock answers this URL"
        return True, ""

    def get_response(self, request: Any) -> Any:
        origin = origin_of_url(request.url)
        assert origin is not None, "responses asks for an answer to what matched"
        with _errors_of_requests(request, origin):
            answer = self._exchange(request, origin)
        return urllib3.HTTPResponse(
            body=answer,
            headers=HTTPHeaderDict(answer.headers.items()),
            status=answer.status,
            reason=answer.reason,
            original_response=answer,
            request_method=request.method,
            preload_content=False,
        )

    def _exchange(self, request: Any, origin: Origin) -> http.client.HTTPResponse:
        """The request written, and its answer's head read, by http.client on a socket in memory."""
        connection: Any = http.client.HTTPConnection(origin.host, origin.port)
        connection.sock = self._network.dial(origin, timeout=_read_timeout(request))
        body = request.body.encode() if isinstance(request.body, str) else request.body
        chunked = "Transfer-Encoding" in request.headers
        connection.request(request.method, request.path_url, body, dict(request.headers), encode_chunked=chunked)
        answer: http.client.HTTPResponse = connection.getresponse()
        return answer


def _read_timeout(request: Any) -> float | None:
    """Seconds: ``timeout=`` of requests is a number, a pair of them, urllib3's ``Timeout``, or ``None``."""
    given = request.req_kwargs.get("timeout")
    if isinstance(given, tuple):
        given = given[1]
    if isinstance(given, urllib3.Timeout):
        given = given.read_timeout
    return given if isinstance(given, int | float) else None


@contextmanager
def _errors_of_requests(request: Any, origin: Origin) -> Iterator[None]:
    """What http.client raises, as ``requests`` says it over urllib3."""
    pool: Any = urllib3.HTTPConnectionPool(origin.host, origin.port)
    try:
        yield
    except TimeoutError as error:
        said = ReadTimeoutError(pool, request.url, f"Read timed out. (read timeout={_read_timeout(request)})")
        raise requests.ReadTimeout(said, request=request) from error
    except ConnectionRefusedError as error:
        refused = NewConnectionError(pool, f"Failed to establish a new connection: {refused_error()}")
        raise requests.ConnectionError(refused, request=request) from error
    except (OSError, http.client.HTTPException) as error:
        raise requests.ConnectionError(ProtocolError("Connection aborted.", error), request=request) from error
