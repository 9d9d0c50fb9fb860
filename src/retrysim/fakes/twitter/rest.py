"""Twitter's REST API v1.1 as a vendor: its door, its windows, its headers.

A window belongs to one token and one endpoint, opens with the first call, and ends 900 seconds after that call's
whole second (90 of 90 first calls in recorded answers of 2019 to 2022). A refused call neither counts nor moves the
reset. Under a bearer token the app is counted instead, apart from its users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from retrysim.fakes.endpoint import Endpoint
from retrysim.fakes.reply import Refused, Reply
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.routing import Router, Routes
from retrysim.fakes.seeded import hex_word
from retrysim.fakes.twitter import bodies
from retrysim.fakes.twitter.app_tokens import token_endpoints
from retrysim.fakes.twitter.credentials import Credentials, credentials_of
from retrysim.fakes.twitter.functions import FUNCTIONS
from retrysim.fakes.twitter.headers import answer_headers, limit_headers, told_ns, whole_seconds
from retrysim.fakes.twitter.limits import LimitRow
from retrysim.fakes.twitter.resources import World, anything, reply
from retrysim.fakes.twitter.windows import Door, Windows
from retrysim.fakes.vendor import Count, Quota
from retrysim.fakes.visit import Identity, Visit
from retrysim.ratelimit.fixed_window import FixedWindow

_STATUS = "application/rate_limit_status"
_WINDOW, _APP_DAY = "x-rate-limit", "x-app-rate-limit"
#: What the access tiers of 2023 and later still serve of v1.1.
_STILL_SERVED = ("/media/upload", "/account/verify_credentials", "/application/rate_limit_status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What one limit is counted for, with its windows for users and for apps."""

    name: str
    family: str
    kind: Literal["read", "write", "post"]
    user: FixedWindow | None
    app: FixedWindow | None
    day: FixedWindow | None

    def quota(self, credentials: Credentials) -> Quota | None:
        """The window of this caller; ``None`` where nothing is counted."""
        window = self.app if credentials.is_app else self.user
        if window is None:
            return None
        identity = credentials.reader if self.kind == "read" else credentials.writer
        return Quota(bucket=self.name, limiter=window, identity=identity, key=identity.key, name=_WINDOW)

    def quotas(self, credentials: Credentials) -> list[Quota]:
        """The window of this caller, and the day of its app where there is one."""
        quotas = [quota] if (quota := self.quota(credentials)) else []
        if self.day is not None:
            identity = Identity(kind="app", key=credentials.consumer_key or credentials.token)
            quotas.append(Quota(bucket=self.name, limiter=self.day, identity=identity, key=identity.key, name=_APP_DAY))
        return quotas


class RestVendor:
    """API v1.1 with the limits of one era, over a seeded world; if ``closed``, only what the tiers of 2023 left."""

    def __init__(
        self,
        rows: Iterable[LimitRow],
        world: World,
        *,
        windows: Windows,
        door: Door | None = None,
        closed: bool = False,
    ) -> None:
        rows = list(rows)
        self._buckets = {row.bucket: _bucket(row, windows) for row in rows}
        self._door = door
        self._closed = closed
        self._numbers = count()
        self.state: object = world
        self.router: Routes = Router([*self._endpoints(rows, world), *token_endpoints()])

    def quotas(self, visit: Visit) -> Sequence[Quota]:
        bucket = self._buckets.get(visit.endpoint.bucket)
        if bucket is None:  # the endpoints that give out tokens
            return ()
        return bucket.quotas(self._credentials(visit, bucket))

    def unmatched(self, request: Request) -> Reply:
        return bodies.no_such_page()

    def malformed(self, request: Request, what: str) -> Reply:
        return bodies.invalid_parameter(what)

    def failure(self, request: Request, status: int) -> Reply:
        return bodies.over_capacity() if status == 503 else bodies.internal_error()

    def limited(self, visit: Visit, refused: Count) -> Reply:
        posts = self._buckets[refused.quota.bucket].kind == "post"
        return bodies.daily_posts_exceeded() if posts else bodies.rate_limited()

    def told_ns(self, visit: Visit, refused: Count, counts: Sequence[Count]) -> int | None:
        return told_ns(counts) if self._buckets[refused.quota.bucket].kind == "read" else None

    def dress(self, reply: Reply, request: Request, counts: Sequence[Count], now_ns: int) -> Response:
        credentials = credentials_of(request) if reply.status == 200 else None
        level = None if credentials is None else "read" if credentials.is_app else "read-write-directmessages"
        headers = answer_headers(reply, now_ns, number=next(self._numbers), access_level=level)
        for one in counts:
            if self._buckets[one.quota.bucket].kind == "read":
                headers += limit_headers(one.decision, one.quota.name)
        return Response(status=reply.status, headers=headers + reply.headers, body=reply.body)

    def _credentials(self, visit: Visit, bucket: Bucket) -> Credentials:
        credentials = credentials_of(visit.request)
        if credentials is None:
            raise Refused(bodies.no_credentials())
        if self._door is not None:
            self._door(visit.request, credentials, visit.now_ns)
        if self._closed and bucket.name not in _STILL_SERVED:
            raise Refused(bodies.access_level())
        if credentials.is_app and bucket.app is None:
            raise Refused(bodies.app_has_no_access())
        return credentials

    def _endpoints(self, rows: Iterable[LimitRow], world: World) -> Iterable[Endpoint]:
        for row in rows:
            function = reply(world, FUNCTIONS.get(row.path, anything))
            if row.path == _STATUS:
                function = self._rate_limit_status
            for path in _paths(row.path):
                yield Endpoint(method=row.method, template=f"/1.1/{path}.json", function=function, bucket=row.bucket)

    def _rate_limit_status(self, visit: Visit) -> Reply:
        """The asker's windows after this call; an untouched one shows its full limit and a reset one window on."""
        credentials = credentials_of(visit.request)
        assert credentials is not None, "the door lets nobody in without credentials"
        asked = {family.strip() for family in visit.argument("resources").split(",") if family.strip()}
        resources: dict[str, dict[str, Mapping[str, int]]] = {}
        for bucket in self._buckets.values():
            quota = bucket.quota(credentials)
            if bucket.kind == "read" and quota is not None and (not asked or bucket.family in asked):
                resources.setdefault(bucket.family, {})[bucket.name] = _standing(quota, visit.now_ns)
        context = {"access_token": credentials.token}
        if credentials.is_app:
            context = {"application": hex_word(25, "application", credentials.token)}
        return bodies.payload_reply({"rate_limit_context": context, "resources": resources})


def _bucket(row: LimitRow, windows: Windows) -> Bucket:
    return Bucket(
        name=row.bucket,
        family=row.family,
        kind=row.kind,
        user=windows.of(row.user) if row.user else None,
        app=windows.of(row.app) if row.app else None,
        day=windows.of(row.day) if row.day else None,
    )


def _paths(path: str) -> list[str]:
    """A path that ends in an id is also served without it: the id is a parameter then."""
    return [path, path.removesuffix("/:id")] if path.endswith("/:id") else [path]


def _standing(quota: Quota, now_ns: int) -> Mapping[str, int]:
    decision = quota.limiter.check(quota.key, now_ns)
    return {"limit": decision.limit, "remaining": decision.remaining, "reset": whole_seconds(decision.reset_ns)}
