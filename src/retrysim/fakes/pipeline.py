"""The way of a request through any API: route, door, limits, function, headers. No I/O, no clock of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrysim.fakes.call import Verdict
from retrysim.fakes.reply import Malformed, Refusal, Reply, reply_of
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.vendor import Count, Quota, Vendor
from retrysim.fakes.visit import Visit

_METHOD = re.compile(r"[A-Z]{1,20}")
_TOLD_OF_A_PATH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A response and why it is what it is; ``count`` is the limit that decided, or the one that is shown."""

    response: Response
    endpoint: str
    decision: Verdict
    count: Count | None = None


def answer(vendor: Vendor, request: Request, now_ns: int) -> Outcome:
    """What the API answers at this instant of its own clock."""
    if not _METHOD.fullmatch(request.method) or not request.path.startswith("/"):
        return _turned_away(vendor, request, vendor.malformed("request line"), now_ns)
    match = vendor.router.match(request)
    if match is None:
        return _turned_away(vendor, request, vendor.unmatched(request), now_ns)
    endpoint, params = match
    visit = Visit(request=request, endpoint=endpoint, params=params, now_ns=now_ns, state=vendor.state)
    try:
        quotas = vendor.quotas(visit)
    except Refusal as refusal:
        response = vendor.dress(refusal.reply, visit, (), now_ns)
        return Outcome(response=response, endpoint=endpoint.name, decision="refused")
    return _counted(vendor, visit, quotas)


def name_of(request: Request) -> str:
    """What a request is called where no endpoint has a name for it: method and path, cut to a length to be shown."""
    return f"{request.method} {request.path}"[:_TOLD_OF_A_PATH]


def _turned_away(vendor: Vendor, request: Request, reply: Reply, now_ns: int) -> Outcome:
    response = vendor.dress(reply, None, (), now_ns)
    return Outcome(response=response, endpoint=name_of(request), decision="refused")


def _counted(vendor: Vendor, visit: Visit, quotas: Sequence[Quota]) -> Outcome:
    counts = take_all(quotas, visit.now_ns)
    refusing = [count for count in counts if not count.decision.allowed]
    if refusing:
        last = max(refusing, key=_opens_ns)
        decision: Verdict = "limited"
        reply: Reply | Response = vendor.limited(visit, last)
        shown: Count | None = last
    else:
        decision = "served"
        reply = _function_reply(vendor, visit)
        shown = counts[0] if counts else None
    if isinstance(reply, Reply):
        reply = vendor.dress(reply, visit, counts, visit.now_ns)
    return Outcome(response=reply, endpoint=visit.endpoint.name, decision=decision, count=shown)


def take_all(quotas: Sequence[Quota], now_ns: int) -> list[Count]:
    """Take from every limit, or from none: when one refuses, the others only say where they stand."""
    if len(quotas) > 1:
        counts = [Count(quota=q, decision=q.limiter.check(q.key, now_ns, q.cost)) for q in quotas]
        if not all(count.decision.allowed for count in counts):
            return [count if count.decision.allowed else _take(count.quota, now_ns) for count in counts]
    return [_take(quota, now_ns) for quota in quotas]


def _take(quota: Quota, now_ns: int) -> Count:
    return Count(quota=quota, decision=quota.limiter.take(quota.key, now_ns, quota.cost))


def _opens_ns(count: Count) -> float:
    opens_ns = count.decision.retry_at_ns
    return float("inf") if opens_ns is None else opens_ns


def _function_reply(vendor: Vendor, visit: Visit) -> Reply | Response:
    try:
        return reply_of(visit.endpoint.function(visit))
    except Refusal as refusal:
        return refusal.reply
    except Malformed as malformed:
        return vendor.malformed(malformed.what)
    except Exception as error:
        error.add_note(f"raised by the function of the endpoint {visit.endpoint.name!r} of a fake")
        raise
