"""The way of a request through any API: route, door, limits, function, headers. No I/O, no clock of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import responses as reasons

from retrysim.fakes.call import Verdict
from retrysim.fakes.reply import Malformed, Refused, Reply, reply_of
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.vendor import Count, Quota, Vendor, last_refusal
from retrysim.fakes.visit import Visit

_METHOD = re.compile(r"[A-Z]{1,20}")
_ADVERTISED_OF_A_PATH = 200
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A response and why it is what it is.

    ``count`` is the limit that decided, or the one that is shown; ``told_ns`` is the last
    instant that a refusal names; ``held`` are the limits that are held until the answer arrives. ``reason`` is why a
    call was refused, or limited on purpose.
    """

    response: Response
    endpoint: str
    decision: Verdict
    count: Count | None = None
    told_ns: int | None = None
    held: tuple[Quota, ...] = ()
    reason: str = ""


def answer(vendor: Vendor, request: Request, now_ns: int, *, turn_away: bool = False) -> Answered:
    """What the API answers at this instant of its own clock; with ``turn_away``, limited whatever remains."""
    if not _METHOD.fullmatch(request.method) or not request.path.startswith("/"):
        malformed = vendor.malformed(request, "request line")
        return _turned_away(vendor, request, malformed, now_ns, "its request line is malformed")
    match = vendor.router.match(request)
    if match is None:
        return _turned_away(vendor, request, vendor.unmatched(request), now_ns, "no endpoint has this method and path")
    endpoint, params = match
    visit = Visit(request=request, endpoint=endpoint, params=params, now_ns=now_ns, state=vendor.state)
    try:
        quotas = vendor.quotas(visit)
    except Refused as refusal:
        response = vendor.dress(refusal.reply, request, (), now_ns)
        return Answered(response=response, endpoint=endpoint.name, decision="refused", reason=_text_of(response))
    return _turned_back(vendor, visit, quotas) if turn_away and quotas else _counted(vendor, visit, quotas)


def answer_failing(vendor: Vendor, request: Request, status: int, now_ns: int) -> Answered:
    """What the API answers while it is down: nothing is done and nothing is counted."""
    response = vendor.dress(vendor.failure(request, status), request, (), now_ns)
    return Answered(response=response, endpoint=endpoint_name(vendor, request), decision="broken")


def endpoint_name(vendor: Vendor, request: Request) -> str:
    """The name of the endpoint that a request means, or its own."""
    match = vendor.router.match(request)
    return name_of(request) if match is None else match[0].name


def name_of(request: Request) -> str:
    """What a request is called where no endpoint has a name for it: method and path, cut to a length to be shown."""
    return f"{request.method} {request.path}"[:_ADVERTISED_OF_A_PATH]


def _turned_away(vendor: Vendor, request: Request, reply: Reply, now_ns: int, reason: str) -> Answered:
    response = vendor.dress(reply, request, (), now_ns)
    return Answered(response=response, endpoint=name_of(request), decision="refused", reason=reason)


def _text_of(response: Response) -> str:
    """What the vendor says to a caller that it does not let in, on one line, or else what its status means."""
    text = " ".join(response.body.decode("utf-8", "replace").split())
    return text[:_LONGEST_REASON] or reasons.get(response.status, "")


def _counted(vendor: Vendor, visit: Visit, quotas: Sequence[Quota]) -> Answered:
    counts = take_all(quotas, visit.now_ns)
    refused = last_refusal(counts)
    if refused is not None:
        response = vendor.dress(vendor.limited(visit, refused), visit.request, counts, visit.now_ns)
        return Answered(
            response=response,
            endpoint=visit.endpoint.name,
            decision="limited",
            count=refused,
            told_ns=vendor.told_ns(visit, refused, counts),
        )
    reply = _function_reply(vendor, visit)
    return Answered(
        response=vendor.dress(reply, visit.request, counts, visit.now_ns) if isinstance(reply, Reply) else reply,
        endpoint=visit.endpoint.name,
        decision="served",
        count=counts[0] if counts else None,
        held=tuple(quota for quota in quotas if quota.is_held),
    )


def _turned_back(vendor: Vendor, visit: Visit, quotas: Sequence[Quota]) -> Answered:
    """A refusal that no header explains: nothing is taken, and nobody knows when to come again."""
    counts = [Count(quota=q, decision=q.limiter.check(q.key, visit.now_ns, q.cost)) for q in quotas]
    refused = replace(counts[0], decision=replace(counts[0].decision, allowed=False, retry_at_ns=None))
    response = vendor.dress(vendor.limited(visit, refused), visit.request, counts, visit.now_ns)
    return Answered(
        response=response, endpoint=visit.endpoint.name, decision="limited", count=refused, reason="limited on purpose"
    )


def take_all(quotas: Sequence[Quota], now_ns: int) -> list[Count]:
    """Take from every limit, or from none: when one refuses, the others only say where they stand."""
    if len(quotas) > 1:
        counts = [Count(quota=q, decision=q.limiter.check(q.key, now_ns, q.cost)) for q in quotas]
        if not all(count.decision.allowed for count in counts):
            return [count if count.decision.allowed else _take(count.quota, now_ns) for count in counts]
    return [_take(quota, now_ns) for quota in quotas]


def _take(quota: Quota, now_ns: int) -> Count:
    return Count(quota=quota, decision=quota.limiter.take(quota.key, now_ns, quota.cost))


def _function_reply(vendor: Vendor, visit: Visit) -> Reply | Response:
    try:
        return reply_of(visit.endpoint.function(visit))
    except Refused as refusal:
        return refusal.reply
    except Malformed as malformed:
        return vendor.malformed(visit.request, malformed.what)
    except Exception as error:
        error.add_note(f"raised by the function of the endpoint {visit.endpoint.name!r} of a fake")
        raise
