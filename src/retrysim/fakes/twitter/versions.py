"""Both versions of the API behind one address: each path below ``/2/`` is v2's, every other one is v1.1's."""

from __future__ import annotations

from collections.abc import Sequence

from retrysim.fakes.endpoint import Endpoint
from retrysim.fakes.reply import Reply
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.routing import Routes
from retrysim.fakes.vendor import Count, Quota, Vendor
from retrysim.fakes.visit import Visit


class BothVersions:
    """A vendor that hands each request to the version it is for."""

    def __init__(self, v1: Vendor, v2: Vendor) -> None:
        self._v1 = v1
        self._v2 = v2
        self.state = v1.state
        self.router: Routes = _Routes(v1.router, v2.router)

    def quotas(self, visit: Visit) -> Sequence[Quota]:
        return self._of(visit.request).quotas(visit)

    def unmatched(self, request: Request) -> Reply:
        return self._of(request).unmatched(request)

    def malformed(self, request: Request, what: str) -> Reply:
        return self._of(request).malformed(request, what)

    def failure(self, request: Request, status: int) -> Reply:
        return self._of(request).failure(request, status)

    def limited(self, visit: Visit, refused: Count) -> Reply:
        return self._of(visit.request).limited(visit, refused)

    def told_ns(self, visit: Visit, refused: Count, counts: Sequence[Count]) -> int | None:
        return self._of(visit.request).told_ns(visit, refused, counts)

    def dress(self, reply: Reply, request: Request, counts: Sequence[Count], now_ns: int) -> Response:
        return self._of(request).dress(reply, request, counts, now_ns)

    def _of(self, request: Request) -> Vendor:
        return self._v2 if _is_v2(request) else self._v1


class _Routes:
    def __init__(self, v1: Routes, v2: Routes) -> None:
        self._v1 = v1
        self._v2 = v2

    def match(self, request: Request) -> tuple[Endpoint, dict[str, str]] | None:
        return (self._v2 if _is_v2(request) else self._v1).match(request)

    def names(self) -> list[str]:
        return [*self._v1.names(), *self._v2.names()]

    def explain(self, request: Request) -> str:
        return (self._v2 if _is_v2(request) else self._v1).explain(request)


def _is_v2(request: Request) -> bool:
    return request.path.startswith("/2/")
