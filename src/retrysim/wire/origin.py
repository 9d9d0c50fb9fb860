"""Where a client wants to go: scheme, host and port, whichever proxy it would go through."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """The scheme, host and port of a URL; hosts are lower case, without brackets and trailing dot."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def make_origin(scheme: str, host: str, port: int | None) -> Origin:
    """An origin from the parts a client holds: ``port`` may be unknown, the host in any case."""
    plain = host.strip("[]").rstrip(".").lower()
    return Origin(scheme, plain, port or DEFAULT_PORTS[scheme])


def origin_of_url(url: str) -> Origin | None:
    """The origin of an absolute http(s) URL, as a proxy is sent it; ``None`` for anything else."""
    if not url.startswith(("http://", "https://")):
        return None
    parts = urlsplit(url)
    return make_origin(parts.scheme, parts.hostname or "", parts.port)
