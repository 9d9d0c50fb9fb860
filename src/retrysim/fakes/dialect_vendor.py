"""An API that is described by a dialect: endpoints that are plain functions, limits by name, answers in its words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from retrysim.fakes.callers import EVERYBODY, Per, caller, is_anonymous
from retrysim.fakes.costs import COSTS
from retrysim.fakes.dates import http_date
from retrysim.fakes.dialect import Dialect
from retrysim.fakes.limit_spec import LimitSpec
from retrysim.fakes.reply import Refused, Reply
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.routing import Routes
from retrysim.fakes.vendor import Count, Quota, last_refusal
from retrysim.fakes.visit import Identity, Visit
from retrysim.fakes.wording import fill, told_ns
from retrysim.ratelimit.limiter import Limiter
from retrysim.ratelimit.rate import Rate


class DialectVendor:
    """A vendor that speaks a dialect.

    ``limits`` are those in force, ``per`` tells callers apart. With ``explains``, a path that is not found is explained
    the nearest endpoints, as is right for one's own API but not for a vendor's.
    """

    def __init__(
        self,
        dialect: Dialect,
        router: Routes,
        *,
        limits: Sequence[LimitSpec],
        per: Per,
        state: object = None,
        explains: bool = False,
    ) -> None:
        self.router = router
        self.state = state
        self._dialect = dialect
        self._limits = [_Limit(spec) for spec in limits]
        self._per = per.lower() if isinstance(per, str) else per
        self._explains = explains

    def quotas(self, visit: Visit) -> Sequence[Quota]:
        identity = caller(visit.request, self._per)
        unauthorized = self._dialect.sayings.get("unauthorized")
        if unauthorized is not None and self._per != "ip" and is_anonymous(identity):
            raise Refused(unauthorized.reply())
        operation = visit.request.header(self._dialect.operation) if self._dialect.operation else ""
        bucket = operation or visit.endpoint.bucket
        quotas = [limit.quota(visit, identity, bucket) for limit in self._limits]
        if visit.endpoint.name in self._dialect.free:
            return [replace(quota, cost=0) for quota in quotas]
        return [quota for quota in quotas if quota.cost]

    def unmatched(self, request: Request) -> Reply:
        if self._explains:
            return _text(404, self.router.explain(request))
        return self._dialect.saying("not_found").reply()

    def malformed(self, request: Request, what: str) -> Reply:
        if self._explains:
            return _text(400, f"malformed request: {what}")
        return self._dialect.saying("malformed").reply()

    def failure(self, request: Request, status: int) -> Reply:
        return self._dialect.saying("over_capacity" if status == 503 else "internal_error").reply()

    def limited(self, visit: Visit, refused: Count) -> Reply:
        return self._dialect.refusal(refused.quota.name).reply()

    def told_ns(self, visit: Visit, refused: Count, counts: Sequence[Count]) -> int | None:
        texts = self._dialect.refusal(refused.quota.name).texts()
        if not refused.quota.hidden:
            texts += [text for _, text in self._dialect.headers]
        return told_ns(texts, refused, visit.now_ns)

    def dress(self, reply: Reply, request: Request, counts: Sequence[Count], now_ns: int) -> Response:
        shown = _by_name([count for count in counts if not count.quota.hidden])
        if reply.has_gaps:
            reply = _filled(reply, _by_name(counts), now_ns)
        headers = (
            ("Date", http_date(now_ns)),
            ("Content-Type", reply.content_type),
            ("Content-Length", str(len(reply.body))),
            *_filled_headers(self._dialect.headers, shown, now_ns),
            *reply.headers,
        )
        return Response(status=reply.status, headers=headers, body=reply.body)


class _Limit:
    """A limit in force: a limiter for each of its rates."""

    def __init__(self, spec: LimitSpec) -> None:
        self._spec = spec
        self._limiters: dict[Rate, Limiter] = {}

    def quota(self, visit: Visit, identity: Identity, bucket: str) -> Quota:
        spec = self._spec
        rate = spec.rates.get(bucket, spec.rate)
        if spec.anonymous is not None and is_anonymous(identity):
            rate = spec.anonymous
        if rate not in self._limiters:
            self._limiters[rate] = spec.limiter(rate)
        whole = identity if spec.counted != "all" else EVERYBODY
        by_endpoint = spec.counted == "endpoint"
        key: Hashable = (whole.key, bucket) if by_endpoint else whole.key
        return Quota(
            name=spec.name,
            bucket=bucket if by_endpoint else spec.name,
            limiter=self._limiters[rate],
            identity=whole,
            key=key,
            cost=COSTS[spec.cost](visit),
            hidden=spec.hidden,
            rate=rate,
            is_held=spec.is_concurrency,
        )


def _by_name(counts: Sequence[Count]) -> Mapping[str, Count]:
    """The limits by name, and as the nameless one the limit that refuses, or the first."""
    meant = last_refusal(counts) or next(iter(counts), None)
    named = {count.quota.name: count for count in counts}
    return named if meant is None else named | {"": meant}


def _filled(reply: Reply, counts: Mapping[str, Count], now_ns: int) -> Reply:
    body = fill(reply.body.decode(), counts, now_ns) or ""
    return replace(reply, body=body.encode(), headers=_filled_headers(reply.headers, counts, now_ns))


def _filled_headers(
    headers: Sequence[tuple[str, str]], counts: Mapping[str, Count], now_ns: int
) -> tuple[tuple[str, str], ...]:
    pairs = ((name, fill(text, counts, now_ns)) for name, text in headers)
    return tuple((name, value) for name, value in pairs if value is not None)


def _text(status: int, text: str) -> Reply:
    return Reply(status=status, body=f"{text}\n".encode(errors="replace"), content_type="text/plain; charset=utf-8")
