"""Stands in for the resolver: in a simulation a served host has an address, and this machine knows its own name.

Other names are looked up where they are allowed, and refused where not, before anything leaves.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from retrysim.patches.reality import Reality
from retrysim.patches.stand_ins import StandIns

_LOOPBACK = "127.0.0.1"


def simulated_names(stand_ins: StandIns, reality: Reality) -> None:
    """Let names that the simulation knows be answered by it."""
    names = _Names(reality)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getfqdn", "getnameinfo"):
        real = getattr(socket, name)
        stand_ins.put(socket, name, reality.instead_of(real, names.answered_by(real, getattr(names, name))))


def is_numeric(host: str) -> bool:
    """Whether it is an address, which nobody needs to look up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class _Names:
    """The functions of ``socket``; each gives ``None`` for a name that the simulation does not know."""

    def __init__(self, reality: Reality) -> None:
        self._reality = reality

    def answered_by(self, real: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
        def answer(_process: object, *args: Any, **kwargs: Any) -> Any:
            answer = ours(*args, **kwargs)
            if answer is not None:
                return answer
            found = real(*args, **kwargs)
            return self.remember(found) if ours == self.getaddrinfo and not is_numeric(str(args[0])) else found

        return answer

    def _address(self, host: object) -> str | None:
        name = host.decode() if isinstance(host, bytes) else host
        if not isinstance(name, str):
            return None
        if name and name == socket.gethostname():
            return _LOOPBACK
        return self._reality.address_of(name.rstrip(".").lower())

    def remember(self, found: Any) -> Any:
        """Where a host that is allowed was found to be may be connected to."""
        self._reality.addresses.update((address[0], address[1]) for *_, address in found)
        return found

    def getaddrinfo(
        self,
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        address = self._address(host)
        if address is None:
            return None
        if family == socket.AF_INET6:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        # of an address, the C library makes the list without asking anybody
        return socket.getaddrinfo(address, port, family, type, proto, flags & ~socket.AI_CANONNAME)

    def gethostbyname(self, hostname: Any) -> Any:
        return self._address(hostname)

    def gethostbyname_ex(self, hostname: Any) -> Any:
        address = self._address(hostname)
        return None if address is None else (hostname, [], [address])

    def gethostbyaddr(self, ip_address: Any) -> Any:
        own = ip_address in (_LOOPBACK, "::1", socket.gethostname())
        name = socket.gethostname() if own else self._reality.host_at(ip_address)
        return None if name is None else (name, [], [self._address(name) or ip_address])

    def getfqdn(self, name: str = "") -> Any:
        own = name.strip() in ("", "0.0.0.0", "::", socket.gethostname())
        return socket.gethostname() if own else name if self._reality.address_of(name) else None

    def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        name = self._reality.host_at(sockaddr[0])
        return None if name is None or flags & socket.NI_NUMERICHOST else (name, str(sockaddr[1]))
