"""Which host is which fake, what tasks may really call, and the record of every call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, NoReturn

from celery._state import get_current_task

from retrysim.errors import FakeError, UnservedHost
from retrysim.fakes.call import Call
from retrysim.fakes.fake import Fake
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response
from retrysim.kernel import Condition, Environment
from retrysim.patches import Reality
from retrysim.trace import ApiCalled, Trace
from retrysim.trace.secrets import redactor
from retrysim.undo import UndoStack
from retrysim.wire import Interceptor
from retrysim.wire.origin import Origin


class Network:
    """The hosts of one simulation."""

    def __init__(self, trace: Trace, environment: Environment, reality: Reality, *, strict: bool = True) -> None:
        self._trace = trace
        self._environment = environment
        self._allowed = reality.allowed
        self._strict = strict
        self._handlers: dict[str, Callable[[Request], Response]] = {}
        self._fakes: list[Fake] = []
        self._undo = UndoStack()
        self.attempt_of: Callable[[Any], int | None] = lambda _task: None
        self.redact = redactor(self._aliases)

    def connect(self, undo: UndoStack) -> None:
        """Put the wire in place until ``undo`` is unwound."""
        self._undo = undo
        undo.enter_context(Interceptor(self._find, hang=self._hang))

    def _hang(self, origin: Origin) -> NoReturn:
        """A silent peer and no timeout: the process waits for ever, and the run says so when nothing else is left."""
        while True:
            self._environment.wait(Condition(f"an answer of {origin}, which is silent, without a timeout"))

    def serve(self, fake: Fake, at: str | None) -> Fake:
        """Let the fake answer for its hosts, or for those of the URL ``at``."""
        from retrysim.fakes.mount import Mounted

        served: Any = fake if at is None else Mounted(fake, at)
        for host in served.hosts:
            if host in self._handlers:
                raise FakeError(f"{host} is served already: serve a second fake of it at another host, with at=")
        for host in served.hosts:
            self._handlers[host] = lambda request: served.handle(request, self._environment.clock.ns)
        if fake not in self._fakes:
            self._fakes.append(fake)
            fake.observers.append(self._record)
            self._undo.callback(fake.observers.remove, self._record)
            self._undo.set_attribute(fake, "caller", self._caller)
        return fake

    def optimum_ns(self, fake: str, bucket: str, partition: str, start_ns: int) -> int | None:
        """How long a limit of a fake would have needed at least for what it has served; ``None``: nobody can tell."""
        served = next(one for one in self._fakes if one.name == fake)
        return served.optimum_ns(bucket, partition, start_ns)

    def _find(self, scheme: str, host: str, port: int) -> Callable[[Request], Response] | None:
        handler = self._handlers.get(f"{host}:{port}") or self._handlers.get(host)
        if handler is not None:
            return handler
        if not self._strict or get_current_task() is None or not self._allowed.isdisjoint({host, f"{host}:{port}"}):
            return None
        served = ", ".join(sorted(self._handlers)) or "none"
        raise UnservedHost(
            f"a task called {scheme}://{host}:{port}, which no fake serves (served: {served}). "
            f'Serve it: sim.serve(API("{scheme}://{host}", ...)); or let it be real: sim.allow("{host}:{port}")'
        )

    def _caller(self) -> tuple[str | None, int | None]:
        task = get_current_task()
        if task is None:
            return None, None
        return task.request.id, self.attempt_of(task)

    def _record(self, call: Call) -> None:
        self._trace.append(ApiCalled(**{field.name: getattr(call, field.name) for field in fields(Call)}))

    def _aliases(self) -> dict[str, str]:
        return {secret: alias for fake in self._fakes for secret, alias in fake.aliases.items()}
