"""One request on its way through a fake: what its endpoint's function gets to see."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from retrysim.fakes.endpoint import Endpoint
from retrysim.fakes.reply import Malformed
from retrysim.fakes.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who calls: ``key`` tells callers apart; ``kind`` (``token``, ``app``, ``ip``) is what may be told of it.

    ``secrets`` are the texts of the request that must not be told.
    """

    kind: str
    key: Hashable
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A routed request: ``params`` are the path's parameters, ``now_ns`` is the server's clock."""

    request: Request
    endpoint: Endpoint
    params: Mapping[str, str]
    now_ns: int
    state: object = None

    def argument(self, name: str, default: str = "") -> str:
        """A parameter of the path, the query or the form body, in this order; an empty one counts as missing."""
        request = self.request
        return self.params.get(name) or request.query.get(name) or request.form.get(name) or default

    def integer(self, name: str, default: int) -> int:
        """A parameter that must be a whole number; ends the visit as malformed when it is not."""
        text = self.argument(name)
        if not text:
            return default
        digits = text[1:] if text.startswith("-") else text
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
            raise Malformed(name)
        return int(text)
