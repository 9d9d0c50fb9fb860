"""A fake at another address: ``Mounted(OpenAI(), "https://llm.acme.io/v1")`` answers there as at its own."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from retrysim.errors import FakeError
from retrysim.fakes.fake import Fake
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response

#: A name or an address, and a path, without what URLs have to write otherwise.
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+", re.IGNORECASE)
_PATH = re.compile(r"[!-~]*", re.ASCII)


def split_url(url: object) -> SplitResult:
    """The parts of the address of an API. Raises ``FakeError`` for anything but scheme, host and maybe a path."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        is_address = (
            parts.scheme in ("http", "https")
            and _HOST.fullmatch(parts.hostname or "")
            and parts.port != 0
            and not (parts.query or parts.fragment or parts.username or parts.password)
            and _PATH.fullmatch(parts.path)
        )
    except ValueError:  # a port of 99999, an IPv6 address that is none
        is_address = None
    if not is_address:
        raise FakeError(f'{url!r} is no address of an API: expected a URL such as "https://llm.acme.io/v1"')
    return parts


class Mounted:
    """Has hosts and answers, like a fake; the calls are remembered by the fake itself, under its own paths.

    A path in ``at`` takes the place of the fake's own prefix (``/v1`` of OpenAI); any other path is asked for as it
    is. Raises ``FakeError`` when ``at`` is no URL.
    """

    __slots__ = ("_fake", "_prefix", "hosts")

    def __init__(self, fake: Fake, at: str) -> None:
        parts = split_url(at)
        self._fake = fake
        self._prefix = parts.path.rstrip("/")
        self.hosts: tuple[str, ...] = (parts.netloc.lower(),)

    def __repr__(self) -> str:
        return f"<{self._fake.name} at {self.hosts[0]}{self._prefix}>"

    def handle(self, request: Request, now_ns: int | None = None) -> Response:
        """As ``Fake.handle``, with the fake's own host and path."""
        own = replace(request, host=self._fake.hosts[0], path=self._own(request.path))
        return self._fake.handle(own, now_ns)

    def _own(self, path: str) -> str:
        if not self._prefix or not f"{path}/".startswith(f"{self._prefix}/"):
            return path
        return self._fake.prefix + path.removeprefix(self._prefix) or "/"
