"""An API that is described by a dialect: endpoints that are plain functions, limits by name, answers in its words."""

from __future__ import annotations

from collections.abc import Sequence

from retrysim.fakes.costs import COSTS
from retrysim.fakes.dates import http_date
from retrysim.fakes.dialect import Dialect, filled
from retrysim.fakes.limit_spec import LimitSpec
from retrysim.fakes.reply import Refusal, Reply
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.routing import Routes
from retrysim.fakes.vendor import Count, Quota
from retrysim.fakes.visit import Identity, Visit


class SpokenVendor:
    """A vendor that speaks a dialect.

    ``limits`` are those in force; ``per`` tells callers apart (a header, ``ip``, or ``all``). With ``explains``, a
    path that is not found is told the nearest endpoints, as is right for one's own API but not for a vendor's.
    """

    def __init__(
        self,
        dialect: Dialect,
        router: Routes,
        *,
        limits: Sequence[LimitSpec],
        per: str,
        state: object = None,
        explains: bool = False,
    ) -> None:
        self.router = router
        self.state = state
        self._dialect = dialect
        self._limits = [(spec, spec.make()) for spec in limits]
        self._per = per.lower()
        self._explains = explains

    def quotas(self, visit: Visit) -> Sequence[Quota]:
        caller = self._caller(visit.request)
        return [
            Quota(
                name=spec.name,
                bucket=visit.endpoint.bucket if spec.counted == "endpoint" else spec.name,
                limiter=limiter,
                identity=_EVERYBODY if spec.counted == "all" else caller,
                key=_key(spec, caller, visit),
                cost=COSTS[spec.cost](visit),
                hidden=spec.hidden,
                window_ns=spec.rate.window_ns,
            )
            for spec, limiter in self._limits
        ]

    def unmatched(self, request: Request) -> Reply:
        if self._explains:
            return _text(404, self.router.explain(request))
        return self._dialect.not_found.reply({}, 0)

    def malformed(self, what: str) -> Reply:
        if self._explains:
            return _text(400, f"malformed request: {what}")
        return self._dialect.malformed.reply({}, 0)

    def limited(self, visit: Visit, refused: Count) -> Reply:
        saying = self._dialect.refusal(refused.quota.name)
        return saying.reply({"": refused, refused.quota.name: refused}, visit.now_ns)

    def dress(self, reply: Reply, visit: Visit | None, counts: Sequence[Count], now_ns: int) -> Response:
        shown = [count for count in counts if not count.quota.hidden]
        refusing = [count for count in shown if not count.decision.allowed]
        named = {count.quota.name: count for count in shown}
        if shown:
            named[""] = (refusing or shown)[0]
        headers = (
            ("Date", http_date(now_ns)),
            ("Content-Type", reply.content_type),
            ("Content-Length", str(len(reply.body))),
            *filled(self._dialect.headers, named, now_ns),
            *reply.headers,
        )
        return Response(status=reply.status, headers=headers, body=reply.body)

    def _caller(self, request: Request) -> Identity:
        if self._per == "all":
            return _EVERYBODY
        value = request.header(self._per)
        if self._per == "ip" or not value:
            if self._per == "authorization" and self._dialect.unauthorized is not None:
                raise Refusal(self._dialect.unauthorized.reply({}, 0))
            return Identity(kind="ip", key=request.client_ip)
        kind = "token" if self._per == "authorization" else self._per
        return Identity(kind=kind, key=value, secrets=(value, value.rpartition(" ")[2]))


_EVERYBODY = Identity(kind="everybody", key="")


def _key(spec: LimitSpec, caller: Identity, visit: Visit) -> object:
    if spec.counted == "all":
        return ""
    return (caller.key, visit.endpoint.bucket) if spec.counted == "endpoint" else caller.key


def _text(status: int, text: str) -> Reply:
    return Reply(status=status, body=f"{text}\n".encode(errors="replace"), content_type="text/plain; charset=utf-8")
