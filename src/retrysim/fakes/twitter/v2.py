"""X API v2 as a vendor: limits by access tier, for users and apps, in 15-minute windows and in 24 hours.

A user's call is counted for the user, and in the app's daily limit where the tier has one; an app's call (a bearer
token that begins with ``AAAA``) is counted for the app. The headers describe the user's window even when it is the
app's that refuses (recorded in 2024: 429 with 49 of 50 remaining).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from retrysim.durations import DAY, MINUTE
from retrysim.fakes.dates import http_date
from retrysim.fakes.endpoint import Endpoint, Function
from retrysim.fakes.reply import Refused, Reply
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.routing import Router, Routes
from retrysim.fakes.seeded import draw, hex_word
from retrysim.fakes.twitter import bodies_v2 as bodies
from retrysim.fakes.twitter.credentials import Credentials, credentials_of
from retrysim.fakes.twitter.headers import Headers, limit_headers, told_ns
from retrysim.fakes.twitter.limits_v2 import TierRow
from retrysim.fakes.twitter.monthly_cap import MonthlyCap
from retrysim.fakes.twitter.resources import World
from retrysim.fakes.twitter.resources_v2 import FUNCTIONS, Resource, anything
from retrysim.fakes.twitter.windows import Door, Windows
from retrysim.fakes.vendor import Count, Quota
from retrysim.fakes.visit import Identity, Visit
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.rate import Rate

_APP_TOKEN = "AAAA"
_WINDOW, _USER_DAY, _APP_DAY = "x-rate-limit", "x-user-limit-24hour", "x-app-limit-24hour"

Limits = Sequence[tuple[Rate, FixedWindow]]


class V2Vendor:
    """API v2 with the limits of one tier, over a seeded world."""

    def __init__(
        self,
        rows: Iterable[TierRow],
        world: World,
        *,
        windows: Windows,
        door: Door | None = None,
        cap: MonthlyCap | None = None,
    ) -> None:
        rows = list(rows)
        self._buckets = {row.bucket: _Bucket(row, windows) for row in rows}
        self._door = door
        self._cap = cap
        self._numbers = count()
        self.state: object = world
        self.router: Routes = Router(self._endpoint(row, world) for row in rows)

    def quotas(self, visit: Visit) -> Sequence[Quota]:
        credentials = _credentials(visit.request)
        if credentials is None:
            raise Refused(bodies.unauthorized())
        if self._door is not None:
            self._door(visit.request, credentials, visit.now_ns)
        bucket = self._buckets[visit.endpoint.bucket]
        if not bucket.row.is_in_tier:
            raise Refused(bodies.not_in_tier())
        quotas = bucket.quotas(credentials)
        if not quotas:
            raise Refused(bodies.wrong_kind_of_token(credentials.is_app))
        if self._cap is not None:
            self._cap.check(credentials, visit.now_ns)
        return quotas

    def unmatched(self, request: Request) -> Reply:
        return bodies.no_such_page()

    def malformed(self, request: Request, what: str) -> Reply:
        return bodies.invalid_request(what)

    def failure(self, request: Request, status: int) -> Reply:
        return bodies.over_capacity() if status == 503 else bodies.internal_error()

    def limited(self, visit: Visit, refused: Count) -> Reply:
        return bodies.rate_limited()

    def told_ns(self, visit: Visit, refused: Count, counts: Sequence[Count]) -> int | None:
        return told_ns([one for one in counts if not one.quota.hidden])

    def dress(self, reply: Reply, request: Request, counts: Sequence[Count], now_ns: int) -> Response:
        number = next(self._numbers)
        headers: Headers = (
            ("date", http_date(now_ns).replace("GMT", "UTC")),
            ("perf", str(7_000_000_000 + draw("perf", number) % 10**9)),
            ("server", "tsa_b"),
            ("api-version", "2.52"),
            ("content-type", reply.content_type),
            ("cache-control", "no-cache, no-store, max-age=0"),
            ("content-length", str(len(reply.body))),
            ("x-transaction-id", hex_word(16, "transaction", number)),
        )
        shown = [one for one in counts if not one.quota.hidden]
        names = {one.quota.name for one in shown}
        for one in shown:
            headers += limit_headers(one.decision, one.quota.name)
            if one is shown[0] and _WINDOW not in names:
                headers += limit_headers(one.decision, _WINDOW)
        return Response(status=reply.status, headers=headers + reply.headers, body=reply.body)

    def _endpoint(self, row: TierRow, world: World) -> Endpoint:
        name = f"{row.method} {row.path}"
        function = self._function(FUNCTIONS.get(name, anything), world)
        return Endpoint.parse(name, function, bucket=row.bucket)

    def _function(self, resource: Resource, world: World) -> Function:
        def answer(visit: Visit) -> Reply:
            payload = resource(world, visit)
            if self._cap is not None:
                self._cap.count(_credentials(visit.request), payload, visit.now_ns)
            return payload if isinstance(payload, Reply) else bodies.payload_reply(payload)

        return answer


class _Bucket:
    """What one limit is counted for: each of its rates with its windows."""

    def __init__(self, row: TierRow, windows: Windows) -> None:
        self.row = row
        self._user = [(rate, windows.of(rate)) for rate in row.user]
        self._app = [(rate, windows.of(rate)) for rate in row.app]

    def quotas(self, credentials: Credentials) -> list[Quota]:
        """The limits of a call, the caller's own first; none where such a token has no access."""
        if credentials.is_app and self._user and self.row.method != "GET":
            return []  # what a user writes, no app writes alone
        if credentials.is_app:
            return self._quotas(self._app, credentials.reader, _APP_DAY)
        own = self._quotas(self._user, credentials.reader, _USER_DAY)
        app = Identity(kind="app", key=credentials.consumer_key)
        days = [(rate, window) for rate, window in self._app if rate.window_ns >= DAY]
        return own + self._quotas(days, app, _APP_DAY) if own else []

    def _quotas(self, limits: Limits, identity: Identity, day_group: str) -> list[Quota]:
        """One quota for each limit; where there is a longer one, a limit by the second is shown in no header."""
        longest_ns = max((rate.window_ns for rate, _ in limits), default=0)
        return [
            Quota(
                name=day_group if rate.window_ns >= DAY else _WINDOW,
                bucket=self.row.bucket,
                limiter=window,
                identity=identity,
                key=identity.key,
                rate=rate,
                hidden=rate.window_ns < min(MINUTE, longest_ns),
            )
            for rate, window in limits
        ]


def _credentials(request: Request) -> Credentials | None:
    """As in v1.1, but a bearer token is a user's (OAuth 2.0) unless it begins as an app's does."""
    credentials = credentials_of(request)
    if credentials is None or not credentials.is_app or credentials.token.startswith(_APP_TOKEN):
        return credentials
    return Credentials(token=credentials.token)
