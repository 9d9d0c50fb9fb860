"""Which host is which fake, what tasks may really call, and the record of every call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from celery._state import get_current_task

from retrysim.errors import FakeError, UnservedHost
from retrysim.fakes.call import Call, traced
from retrysim.fakes.fake import Fake
from retrysim.fakes.idempotency import Effects
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.faults import CallRule, CallRules
from retrysim.kernel import Condition, Environment
from retrysim.network import Network
from retrysim.network.connection import Connection
from retrysim.network.route import Route
from retrysim.patches import Reality
from retrysim.simulation.api import RouteLine
from retrysim.trace import ApiCalled, Trace
from retrysim.trace.secrets import Redactor
from retrysim.undo import UndoStack
from retrysim.wire import Interceptor
from retrysim.wire.credentials import learn_from_request, learn_from_response
from retrysim.wire.line import Line
from retrysim.wire.origin import Origin

#: Ports that a URL leaves out.
_USUAL = (80, 443)


class _Served:
    """A fake as a server of the network; its connections are in memory (``wire``), so it accepts none here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def accept(self, connection: Connection, now_ns: int) -> NoReturn:
        raise ConnectionRefusedError


class ServedFakes:
    """The fakes of one simulation, by their hosts."""

    def __init__(
        self,
        trace: Trace,
        environment: Environment,
        reality: Reality,
        network: Network,
        *,
        strict: bool = True,
        redact: Iterable[str] = (),
    ) -> None:
        self._trace = trace
        self._environment = environment
        self._reality = reality
        self._network = network
        #: the URLs that were called and that no fake serves
        self.unserved: dict[str, None] = {}
        #: the way to each fake
        self.routes: dict[Fake, Route] = {}
        self._strict = strict
        self._addresses: dict[str, str] = {}  # of served hosts, and the way back
        reality.address_of = self._address_of
        reality.host_at = lambda address: next((h for h, a in self._addresses.items() if a == address), None)
        self._handlers: dict[str, Callable[[Request], Response]] = {}
        self._fakes: list[Fake] = []
        self._fake_at: dict[str, Fake] = {}
        #: the task and the attempt on whose behalf a process of the machine asks just now
        self._asks_for: tuple[str | None, int | None] | None = None
        self._undo = UndoStack()
        self.attempt_of: Callable[[Any], int | None] = lambda _task: None
        self.redact = Redactor(self._aliases, patterns=redact)
        #: which calls have one effect together
        self.effects = Effects()
        #: which calls of fakes meet trouble
        self.rules = CallRules(self._note_strike)
        #: told the name and the endpoint of each trouble that met a call
        self.on_strike: Callable[[str, str, str], None] = lambda _name, _kind, _endpoint: None

    def connect(self, undo: UndoStack) -> None:
        """Put the wire in place until ``undo`` is unwound."""
        self._undo = undo
        undo.enter_context(Interceptor(self._find, hang=self._hang, make_line=self._line))

    def _hang(self, origin: Origin) -> NoReturn:
        """A silent peer and no timeout: the process waits forever, and the run says so when nothing else is left."""
        while True:
            self._environment.wait(Condition(f"an answer of {origin}, which is silent, without a timeout"))

    def _line(self, _scheme: str, host: str, port: int) -> Line:
        """The line of a new connection of the host that runs now."""
        host = self._reality.host_at(host) or host
        fake = self._fake_at.get(f"{host}:{port}") or self._fake_at.get(host)
        return Line() if fake is None else self.make_line(fake)

    def make_line(self, fake: Fake) -> Line:
        """A line to a fake that is served."""
        return RouteLine(self.routes[fake], self._environment.host.top)

    def serve(self, fake: Fake, at: str | None) -> Fake:
        """Let the fake answer for its hosts, or for those of the URL ``at``."""
        from retrysim.fakes.mount import Mounted

        served: Any = fake if at is None else Mounted(fake, at)
        for host in served.hosts:
            if host in self._handlers:
                raise FakeError(f"{host} is served already: serve a second fake of it at another host, with at=")
        self.routes.setdefault(fake, Route(self._network, _Served(fake.name)))
        for host in served.hosts:
            self._fake_at[host] = fake
            self._handlers[host] = lambda request: self._answered(served, request)
            name = host.partition(":")[0]
            self._addresses.setdefault(name, f"11.0.{len(self._addresses) // 250}.{len(self._addresses) % 250 + 1}")
        if fake not in self._fakes:
            self._fakes.append(fake)
            fake.observers.append(self._record)
            self._undo.callback(fake.observers.remove, self._record)
            self._undo.set_attribute(fake, "caller", self.caller)
            self._undo.set_attribute(fake, "struck", self._struck)
            self._undo.set_attribute(fake, "effect_of", self.effects.of)
        return fake

    def _answered(self, served: Any, request: Request) -> Response:
        learn_from_request(self.redact, request)
        clock = self._environment.clock
        with clock.right():
            response: Response = served.handle(request, clock.ns)
        learn_from_response(self.redact, response)
        return response

    def _struck(self, endpoint: str) -> list[tuple[str, int]]:
        if not self.rules:
            return []
        task_id, attempt = self.caller()
        return self.rules.judge(endpoint, self._trace.tasks.get(task_id or ""), attempt)

    def _note_strike(self, rule: CallRule, endpoint: str) -> None:
        self.on_strike(rule.name, rule.kind, endpoint)

    def optimum_ns(self, fake: str, bucket: str, partition: str, start_ns: int) -> int | None:
        """How long a limit of a fake would have needed at least for what it has served; ``None``: nobody can tell."""
        served = next(one for one in self._fakes if one.name == fake)
        return served.optimum_ns(bucket, partition, start_ns)

    def _find(self, scheme: str, host: str, port: int) -> Callable[[Request], Response] | None:
        return self.find(scheme, host, port)

    def find(self, scheme: str, host: str, port: int) -> Callable[[Request], Response] | None:
        """Who serves a host. Raises ``UnservedHost`` where somebody has to."""
        host = self._reality.host_at(host) or host
        handler = self._handlers.get(f"{host}:{port}") or self._handlers.get(host)
        if handler is not None:
            return handler
        if not self._strict or not self._reality.inside or self._reality.permits(host, f"{host}:{port}"):
            return None
        self.unserved[f"{scheme}://{host}" + ("" if port in _USUAL else f":{port}")] = None
        served = ", ".join(sorted(self._handlers)) or "none"
        raise self._reality.refusal(
            UnservedHost(
                f"{self._reality.who} called {scheme}://{host}:{port}, which no fake serves (served: {served}). "
                f'Serve it: sim.serve(API("{scheme}://{host}", ...)); or let it be real: sim.allow("{host}:{port}")'
            )
        )

    def answer_for(
        self, caller: tuple[str | None, int | None], scheme: str, host: str, port: int, request: Request
    ) -> Response:
        """Answer a request that a process of the machine makes, on behalf of its task."""
        handler = self.find(scheme, host, port)
        if handler is None:
            raise UnservedHost(f"nobody serves {scheme}://{host}:{port} any more")
        before, self._asks_for = self._asks_for, caller
        try:
            return handler(request)
        finally:
            self._asks_for = before

    def _address_of(self, host: str) -> str | None:
        """The address of a served host: of a network that nobody reaches from the internet, but no private one.

        Code that refuses to call private addresses is to take it for a public one.
        """
        return self._addresses.get(host)

    def caller(self) -> tuple[str | None, int | None]:
        """The task and the attempt that run here."""
        if self._asks_for is not None:
            return self._asks_for
        task = get_current_task()
        if task is None:
            return None, None
        return task.request.id, self.attempt_of(task)

    def _record(self, call: Call) -> None:
        values = traced(call)
        values |= {name: self.redact(values[name]) for name in ("endpoint", "bucket")}
        self._trace.append(ApiCalled(**values))

    def _aliases(self) -> tuple[Mapping[str, str], ...]:
        return tuple(fake.aliases for fake in self._fakes)
