"""Serves fakes to the HTTP clients of this process for the length of a ``with`` block, without any Celery."""

from __future__ import annotations

from retrysim.errors import UnservedHost
from retrysim.wire.handler import Find, Handler
from retrysim.wire.interceptor import Interceptor
from retrysim.wire.origin import make_origin
from retrysim.wire.served import Served, finder


def serving(*fakes: Served, strict: bool = False) -> Interceptor:
    """``with serving(crm, mail): ...``: their hosts are the fakes, for any HTTP client, limits included.

    Other hosts stay real; with ``strict`` a call to one raises ``UnservedHost``. Raises ``FakeError`` when two fakes
    have a host in common and, on entering, when hosts are served already.
    """
    find = finder(fakes)
    return Interceptor(_strict(find, fakes) if strict else find)


def _strict(find: Find, fakes: tuple[Served, ...]) -> Find:
    served = ", ".join(host for fake in fakes for host in fake.hosts) or "none"

    def find_or_refuse(scheme: str, host: str, port: int) -> Handler:
        handler = find(scheme, host, port)
        if handler is None:
            url = make_origin(scheme, host, port)
            raise UnservedHost(
                f"{url} was called, which no fake serves (served: {served}). "
                f'Serve it too: serving(..., API("{url}", ...)); or leave out strict=True'
            )
        return handler

    return find_or_refuse
