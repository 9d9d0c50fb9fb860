"""A vendor's API from its dialect alone: hosts, limits, words and answers are all in the data file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from retrysim.durations import Duration
from retrysim.errors import FakeError
from retrysim.fakes.dialect import Dialect, Saying, load_dialect
from retrysim.fakes.dialect_vendor import DialectVendor
from retrysim.fakes.endpoint import Endpoint, Function
from retrysim.fakes.fake import Fake
from retrysim.fakes.limit_spec import LimitSpec
from retrysim.fakes.routing import EveryPath, RouterOrElse
from retrysim.fakes.trouble import Troubles
from retrysim.nearest import did_you_mean
from retrysim.ratelimit.rate import Rate


class VendorAPI(Fake):
    """The API that a dialect with hosts describes.

    ``limits``: one's own rates by the dialect's names of its limits, ``{"requests": "5 per minute"}``; ``None`` takes a
    limit away. ``endpoints``: functions of one's own, ``{"GET /user": function}``, before the dialect's answers; any
    other path gets the dialect's default answer. ``state`` makes what functions find in ``visit.state``.

    Raises ``FakeError`` for an unknown vendor or limit, ``LimitError`` for a limit that is none.
    """

    def __init__(
        self,
        vendor: str,
        *,
        limits: Mapping[str, str | None] | None = None,
        endpoints: Mapping[str, Function] | None = None,
        state: Callable[[], object] | None = None,
        seed: int = 0,
        clock_skew: Duration = 0,
        latency: Duration = 0,
        trouble: Troubles | None = None,
    ) -> None:
        manners = load_dialect(vendor)
        if not manners.hosts:
            raise FakeError(f'{vendor!r} is a dialect without an API of its own: use API(url, dialect="{vendor}")')
        specs = list(_limits(manners, limits or {}))
        router = RouterOrElse(_endpoints(manners, endpoints or {}), EveryPath(_answer(manners.answers.get("default"))))

        def make() -> DialectVendor:
            made = state() if state is not None else None
            return DialectVendor(manners, router, limits=specs, per=manners.per, state=made)

        super().__init__(
            vendor,
            manners.hosts,
            make,
            prefix=manners.prefix,
            seed=seed,
            clock_skew=clock_skew,
            latency=latency,
            trouble=trouble,
        )


def _limits(manners: Dialect, own: Mapping[str, str | None]) -> Iterable[LimitSpec]:
    known = [spec.name for spec in manners.limits]
    for name in own:
        if name not in known:
            hint = did_you_mean(name, known)
            raise FakeError(f"{manners.name} has no limit {name!r}{hint} (there are {', '.join(known)})")
    for spec in manners.limits:
        rate = own.get(spec.name, "")
        if rate:
            yield replace(spec, rate=Rate.parse(rate), rates={}, anonymous=None, burst=None)
        elif rate is not None:
            yield spec


def _endpoints(manners: Dialect, own: Mapping[str, Function]) -> list[Endpoint]:
    functions = {name: _answer(saying) for name, saying in manners.answers.items() if name != "default"}
    return [Endpoint.parse(name, function) for name, function in (functions | dict(own)).items()]


def _answer(saying: Saying | None) -> Function:
    reply = (saying or Saying(body="{}")).reply()
    return lambda visit: reply
