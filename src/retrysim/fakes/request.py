"""A request as a fake sees it: method, target, headers and body, no socket and no client."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request.

    ``path`` is the path as sent (percent-encoded, without the query); ``headers`` are pairs in the order of the wire,
    names as the client wrote them; ``body`` is the whole, de-chunked body.
    """

    method: str
    host: str
    path: str
    scheme: str = "https"
    query_string: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    client_ip: str = field(default="127.0.0.1")

    def header(self, name: str, default: str = "") -> str:
        """The first header of that name, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), default)

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @cached_property
    def form(self) -> dict[str, str]:
        """The parameters of a form body; empty for any other content type."""
        if not self.header("content-type").startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(self.body.decode("latin-1"), keep_blank_values=True))

    @cached_property
    def decoded_path(self) -> str:
        return unquote(self.path)
