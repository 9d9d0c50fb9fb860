"""A fake API: answers requests as the vendor would, without I/O, and remembers every call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from retrysim.clock import WallClock
from retrysim.durations import Duration, parse_duration, parse_skew, to_timedelta
from retrysim.errors import FakeError
from retrysim.fakes.aliases import Aliases
from retrysim.fakes.call import Call
from retrysim.fakes.disturbances import Disturbances, Struck
from retrysim.fakes.endpoint import Endpoint
from retrysim.fakes.in_flight import InFlight
from retrysim.fakes.latency import parse_latency
from retrysim.fakes.nearest import nearest
from retrysim.fakes.pipeline import Answered
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.fakes.story import Window, count, limited, longest_wait_ns, tell, too_early, windows
from retrysim.fakes.trouble import Troubles, parse_troubles
from retrysim.fakes.vendor import Count, Quota, Vendor
from retrysim.ratelimit.draining import drained_ns

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Observer = Callable[[Call], None]
Caller = Callable[[], tuple[str | None, int | None]]


class Fake:
    """An API at some hosts.

    ``make`` builds the vendor's side in its initial state: endpoints, limits, data. ``prefix`` is the path under which
    clients find it (``/v1``), which another address may replace. ``clock_skew`` is how far the server's clock is
    ahead of the caller's (``"-3s"``: behind), ``latency`` how long it takes (``"200ms"``, ``"1s to 3s"``), ``trouble``
    what goes wrong and when (see ``trouble.py``); chance draws from ``seed``. Every call is passed to each of
    ``observers``. Calls may come from several threads.
    """

    def __init__(
        self,
        name: str,
        hosts: Sequence[str],
        make: Callable[[], Vendor],
        *,
        prefix: str = "",
        seed: int = 0,
        clock_skew: Duration = 0,
        latency: Duration = 0,
        trouble: Troubles | None = None,
    ) -> None:
        self.name = name
        self.hosts = tuple(hosts)
        self.prefix = prefix
        self.observers: list[Observer] = []
        #: asked who calls: the id of a task and which attempt of it, or nobody in particular
        self.caller: Caller = _nobody
        #: asked what meets a call of an endpoint, beside the fake's own trouble; ``None``: nothing does
        self.struck: Struck | None = None
        #: asked which effect a call of an endpoint has, which a repeat of it does not have again; ``None``: its own
        self.effect_of: Callable[[str, Request], str | None] = _its_own
        self.calls: list[Call] = []
        self._skew_ns = parse_skew(clock_skew)
        self._make_disturbances = partial(Disturbances, parse_troubles(trouble), parse_latency(latency), seed)
        self._make = make
        self._lock = threading.RLock()
        self._vendor = make()
        self._disturbances = self._make_disturbances()
        self._in_flight = InFlight()
        self._names = Aliases()
        self._served: dict[tuple[str, str], list[Quota]] = {}

    def __repr__(self) -> str:
        return f"<fake {self.name} at {', '.join(self.hosts)}: {len(self.calls)} calls>"

    def reset(self) -> None:
        """Forget every call and every count; data are as they were when the fake was made."""
        with self._lock:
            self._vendor = self._make()
            self._disturbances = self._make_disturbances()
            self._in_flight = InFlight()
            self._names = Aliases()
            self._served.clear()
            self.calls.clear()

    def handle(self, request: Request, now_ns: int | None = None) -> Response:
        """The answer at an instant (nanoseconds since the epoch), by default now as ``time.time()`` tells it."""
        at_ns = WallClock().now_ns() if now_ns is None else now_ns
        with self._lock:
            now_ns = at_ns + self._skew_ns
            self._in_flight.release(now_ns)
            outcome = self._disturbances.answer(self._vendor, request, now_ns, self.struck)
            self._in_flight.hold(outcome.held, now_ns + outcome.response.latency_ns)
            call = self._call(outcome, at_ns, self.effect_of(outcome.endpoint, request))
            self.calls.append(call)
        for observe in self.observers:
            observe(call)
        return outcome.response

    def serving(self) -> AbstractContextManager[object]:
        """``with crm.serving(): ...``: in this block its hosts are this fake, for any HTTP client of the process."""
        from retrysim.wire.serving import serving

        return serving(self)

    @property
    def wsgi(self) -> WSGIApplication:
        """The fake as a WSGI application: for ``httpx.WSGITransport(app=fake.wsgi)``, or any server."""
        from retrysim.wire.wsgi import wsgi_app

        return wsgi_app(self)

    def mount(self, mock: Any) -> None:
        """Let it answer inside a test of ``responses``: ``crm.mount(responses)``, or a ``RequestsMock``."""
        from retrysim.wire.responses_mount import mount

        mount(self, mock)

    @property
    def aliases(self) -> Mapping[str, str]:
        """What stands for each secret that was seen (``{"783214-x7...": "token-1"}``): to keep it out of texts."""
        return self._names.secrets

    def endpoints(self) -> list[str]:
        """The names of the endpoints, and of whatever else was called."""
        names = dict.fromkeys(self._vendor.router.names())
        return list(names | dict.fromkeys(call.endpoint for call in self.calls))

    def calls_of(self, endpoint: str) -> list[Call]:
        """The calls of one endpoint in order of time. Raises ``FakeError`` for one that there is not."""
        known = self.endpoints()
        if endpoint not in known:
            raise FakeError(self._unknown(endpoint, known))
        return [call for call in self.calls if call.endpoint == endpoint]

    def story(self, endpoint: str, *, within: Duration | None = None) -> str:
        """The calls of one endpoint as a line: ``180x200 20x429 15m 20x200``.

        ``within`` is for calls that jitter has spread: those that follow each other in less are one group, and the time
        between two groups is rounded to multiples of it.
        """
        return tell(self.calls_of(endpoint), within_ns=None if within is None else parse_duration(within))

    def per_window(self, endpoint: str) -> list[Window]:
        """What each partition got of one endpoint, window by window."""
        return windows(self.calls_of(endpoint))

    def counts(self) -> dict[str, dict[str, int]]:
        """How often each endpoint gave each answer: ``{"GET /a": {"200": 180, "429": 20}}``."""
        return count(self.calls)

    def optimum_ns(self, bucket: str, partition: str, start_ns: int) -> int | None:
        """How long the limit would have needed at least, from an instant, for the calls that it has served there.

        ``None`` where nobody can tell, since units come back with answers and not with time.
        """
        with self._lock:
            served = tuple(self._served.get((bucket, partition), ()))
        if not served:
            return 0
        began_ns = start_ns + self._skew_ns
        drained = drained_ns(served[-1].limiter, [quota.cost for quota in served], began_ns)
        return None if drained is None else drained - began_ns

    @property
    def calls_while_limited(self) -> list[Call]:
        """The calls that a limit turned away."""
        return limited(self.calls)

    @property
    def came_too_early(self) -> list[Call]:
        """The calls turned away whose caller had been told before to wait longer."""
        return too_early(self.calls)

    @property
    def longest_wait(self) -> timedelta:
        """The longest that a call turned away was from being served."""
        return to_timedelta(longest_wait_ns(self.calls))

    def answered(self, endpoint: str, *, status: int | None = None) -> Callable[[], bool]:
        """A condition to wait for: from now on, the endpoint has answered once (with this status).

        Raises ``FakeError`` for an endpoint that there is not, unless the fake answers every path.
        """
        if self._vendor.router.names():
            self.calls_of(endpoint)
        else:
            Endpoint.parse(endpoint, _no_answer)
        seen = len(self.calls)

        def has_answered() -> bool:
            return any(c.endpoint == endpoint and status in (None, c.status) for c in self.calls[seen:])

        return has_answered

    def _call(self, outcome: Answered, at_ns: int, effect: str | None) -> Call:
        response = outcome.response
        task_id, attempt = self.caller()
        call = Call(
            task_id=task_id,
            attempt=attempt,
            at_ns=at_ns,
            fake=self.name,
            endpoint=outcome.endpoint,
            status=response.status,
            decision=outcome.decision,
            broken=response.broken.value if response.broken else None,
            effect=effect,
            reason=outcome.reason,
        )
        return (
            call if outcome.count is None else replace(self._with_count(call, outcome.count), told_ns=outcome.told_ns)
        )

    def _with_count(self, call: Call, count: Count) -> Call:
        decision, identity = count.decision, count.quota.identity
        opens_ns = decision.retry_at_ns if call.decision == "limited" else None
        partition = self._names.name(identity)
        if call.decision == "served":
            self._served.setdefault((count.quota.bucket, partition), []).append(count.quota)
        return replace(
            call,
            bucket=count.quota.bucket,
            partition=partition,
            limit=decision.limit,
            remaining=decision.remaining,
            reset_ns=decision.reset_ns,
            retry_at_ns=None if opens_ns is None else opens_ns - self._skew_ns,
        )

    def _unknown(self, endpoint: str, known: Sequence[str]) -> str:
        if not known:
            return f"{self.name} has no endpoint {endpoint!r}: none was called"
        return f"{self.name} has no endpoint {endpoint!r}; nearest: {', '.join(nearest(endpoint, known))}"


def _nobody() -> tuple[str | None, int | None]:
    return None, None


def _its_own(_endpoint: str, _request: Request) -> None:
    """Every call has an effect of its own."""


def _no_answer(_visit: object) -> None:
    """Stands for the function of an endpoint whose name alone is looked at."""
