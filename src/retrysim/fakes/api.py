"""A fake of one's own API, in one line, or with endpoints that are plain functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from retrysim.durations import Duration
from retrysim.errors import FakeError
from retrysim.fakes.callers import Per
from retrysim.fakes.dialect import Dialect, load_dialect
from retrysim.fakes.dialect_vendor import DialectVendor
from retrysim.fakes.endpoint import Endpoint, Function
from retrysim.fakes.fake import Fake
from retrysim.fakes.limit_spec import LimitSpec
from retrysim.fakes.mount import split_url
from retrysim.fakes.routing import EveryPath, Router, Routes
from retrysim.fakes.trouble import Troubles
from retrysim.ratelimit.rate import Rate


class API(Fake):
    """An API of one's own.

    ``API("https://crm.acme.io", limit="100 per minute", answer={"ok": True})`` answers every path alike. With
    ``endpoints``, ``{"GET /contacts/:id": contact}``, each is answered by its function, which gets a ``Visit`` and
    gives a dict, a list, text, bytes, ``None``, a ``Response``, or a pair of a status and one of these; anything else
    is a 404 that names the nearest endpoints. A path of the URL comes before those of the endpoints.

    ``limit`` is counted for each value of the header ``per`` (``"ip"``: for each client, ``"all"``: for everybody), or
    of a function of the request, ``per=lambda request: request.path``. ``algorithm``: ``"fixed window"``,
    ``"clock window"``, ``"sliding log"``, ``"sliding counter"``, ``"token bucket"`` or ``"leaky bucket"``.
    ``dialect`` is how it says "too many": ``"plain"``, ``"github"``, ``"stripe"``, ... .
    ``state`` makes the data that functions find in ``visit.state``.

    Raises ``FakeError`` for what cannot be meant, ``LimitError`` for a limit that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        limit: str | None = None,
        per: Per = "authorization",
        algorithm: str = "fixed window",
        answer: object = None,
        endpoints: Mapping[str, Function] | None = None,
        state: Callable[[], object] | None = None,
        dialect: str = "plain",
        seed: int = 0,
        clock_skew: Duration = 0,
        latency: Duration = 0,
        trouble: Troubles | None = None,
    ) -> None:
        parts = split_url(url)
        manners = load_dialect(dialect)
        limits = [] if limit is None else [_own_limit(manners, limit, algorithm)]
        router = _routes(parts.path.rstrip("/"), answer, endpoints)

        def make() -> DialectVendor:
            made = state() if state is not None else None
            return DialectVendor(manners, router, limits=limits, per=per, state=made, explains=True)

        super().__init__(
            name or parts.netloc,
            [parts.netloc.lower()],
            make,
            prefix=parts.path.rstrip("/"),
            seed=seed,
            clock_skew=clock_skew,
            latency=latency,
            trouble=trouble,
        )


def _own_limit(manners: Dialect, limit: str, algorithm: str) -> LimitSpec:
    """A limit of one's own under the name of the dialect's first, so that its headers show it."""
    first = manners.limits[0]
    return replace(first, rate=Rate.parse(limit), algorithm=algorithm, burst=None, cost="one", hidden=False)


def _routes(prefix: str, answer: object, endpoints: Mapping[str, Function] | None) -> Routes:
    if endpoints is None:
        return EveryPath(lambda visit: {"ok": True} if answer is None else answer)
    if answer is not None:
        raise FakeError("an API has either one answer for every path or endpoints: give only one of the two")
    return Router(_under(prefix, Endpoint.parse(name, function)) for name, function in endpoints.items())


def _under(prefix: str, endpoint: Endpoint) -> Endpoint:
    template = prefix + endpoint.template
    return replace(endpoint, template=template, bucket=template)
