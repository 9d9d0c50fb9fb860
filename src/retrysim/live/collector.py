"""The stage's end of the line: takes what workers tell into the trace, and lets the fakes answer what they ask."""

from __future__ import annotations

import os
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from retrysim.celery.recorder import runaway
from retrysim.clock import WallClock
from retrysim.errors import InputError
from retrysim.fakes.call import Call, traced
from retrysim.fakes.fake import Fake
from retrysim.fakes.idempotency import Effects
from retrysim.fakes.mount import Mounted
from retrysim.fakes.response import Response
from retrysim.live.line import Called, Happened, Message, Returned, Trouble
from retrysim.trace import ApiCalled, Event, TaskFailed, TaskOutcome, TaskRevoked, TaskStarted
from retrysim.trace.secrets import Redactor
from retrysim.wire.credentials import learn_from_request

#: The fields of events that may hold a secret.
_TEXTS = ("result", "exception", "traceback", "reason")


class Collector:
    """Listens at ``address`` while it is open; ``events`` are in the order in which they arrived."""

    def __init__(self, folder: str, attempts_per_task: int) -> None:
        self.address = f"{folder}/stage.socket"
        self.key = secrets.token_bytes(32)
        self.events: list[Event] = []
        self.results: dict[str, Any] = {}
        self.trouble: list[tuple[str, str]] = []  # (its kind, what it is), of what must end the run
        self.hosts: dict[str, Fake | Mounted] = {}
        self._attempts_per_task = attempts_per_task
        self._attempts: Counter[str] = Counter()
        self._names: dict[str, str] = {}
        self._lock = threading.RLock()
        self._caller = threading.local()
        self.fakes: list[Fake] = []
        #: which calls have one effect together
        self.effects = Effects()
        #: told of each event after it was taken in
        self.observers: list[Callable[[Event], None]] = []
        self._running: dict[tuple[str, int], tuple[str, int]] = {}  # (task id, attempt) -> (worker, pid)
        self._redact = Redactor(self._aliases)
        self._redact.learn_environment(os.environ)

    def open(self) -> None:
        """Listen, and answer each connection in a thread of its own."""
        self._listener = Listener(self.address, backlog=64, authkey=self.key)
        threading.Thread(target=self._accept, daemon=True).start()

    def serve(self, fake: Fake, at: str | None) -> None:
        """Let a fake answer for its hosts, or for that of the URL ``at``."""
        served = fake if at is None else Mounted(fake, at)
        self.hosts.update(dict.fromkeys(served.hosts, served))
        self.fakes.append(fake)
        fake.observers.append(self._record)
        fake.caller = self.caller
        fake.effect_of = self.effects.of

    def caller(self) -> tuple[str | None, int | None]:
        """The task and the attempt that the call is made for which is answered in this thread."""
        who: tuple[str | None, int | None] = getattr(self._caller, "who", (None, None))
        return who

    @property
    def called_ns(self) -> int:
        """The instant of the call that is answered in this thread."""
        at_ns: int = self._caller.at_ns
        return at_ns

    def append(self, event: Event) -> None:
        """Take an event in; so the collector can be the trace of a recorder in its own process."""
        with self._lock:
            self.events.append(self._without_secrets(event))
            for observe in self.observers:
                observe(event)

    def process_of(self, worker: str, task_id: str | None) -> int:
        """The pool process of a worker that runs this task, or any. Raises ``InputError`` when none does."""
        running = {
            pid for (task, _), (name, pid) in self._running.items() if name == worker and task_id in (None, task)
        }
        if not running:
            what = "a task" if task_id is None else f"task {task_id}"
            raise InputError(f"{worker} has no pool process that runs {what}")
        return min(running)

    def running(self) -> int:
        """How many bodies run, in processes that live."""
        return sum(_lives(pid) for _, pid in tuple(self._running.values()))

    # -- the line ------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except (OSError, EOFError):  # a process that was killed in the middle of saying hello
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            while True:
                connection.send(self._answer(connection.recv()))
        except (OSError, EOFError):
            connection.close()  # the process ended, or was killed

    def _answer(self, message: Message) -> Any:
        match message:
            case Happened(event=event, pid=pid):
                return self._happened(event, pid)
            case Called():
                return self._called(message)
            case Returned(task_id=task_id, result=result):
                self.results[task_id] = result
            case Trouble(text=text):
                self.trouble.append(("LiveError", text))
        return None

    def _happened(self, event: Event, pid: int) -> int | None:
        if isinstance(event, TaskOutcome):
            with self._lock:
                self.append(self._of_its_attempt(event, pid))
            return None
        if not isinstance(event, TaskStarted):
            self.append(event)
            return None
        with self._lock:
            self._attempts[event.task_id] += 1
            number = self._attempts[event.task_id]
            self._running[event.task_id, number] = event.worker, pid
            self.append(replace(event, attempt=number))
        if number == self._attempts_per_task + 1:
            self.trouble.append(("Runaway", str(runaway(event.name, event.task_id, self._attempts_per_task))))
        return number

    def _of_its_attempt(self, event: TaskOutcome, pid: int) -> TaskOutcome:
        """With the attempt that it ends: the body's process names it, the main one tells of a process that is gone."""
        if event.attempt is None:
            running = [(number, of) for (task, number), (_, of) in self._running.items() if task == event.task_id]
            surely = [number for number, of in running if of == pid or not _lives(of)]
            terminated = isinstance(event, TaskRevoked) and event.terminated
            silent = isinstance(event, TaskFailed)  # GreenletExit ends a body that says nothing itself
            attempt = next(iter(surely or [number for number, _ in running if terminated or silent]), None)
            event = replace(event, attempt=attempt)
        self._running.pop((event.task_id, event.attempt or 0), None)
        return event

    def _called(self, message: Called) -> Response:
        self._caller.who, self._caller.at_ns = (message.task_id, message.attempt), WallClock().now_ns()
        learn_from_request(self._redact, message.request)
        return self.hosts[message.host].handle(message.request, self.called_ns)

    # -- the trace -----------------------------------------------------------------------------------------------------

    def _record(self, call: Call) -> None:
        self.append(ApiCalled(**traced(call)))

    def _without_secrets(self, event: Event) -> Event:
        texts = {name: getattr(event, name) for name in _TEXTS if hasattr(event, name)}
        return replace(event, **{name: self._redact(text) for name, text in texts.items()}) if texts else event  # type: ignore[arg-type]

    def _aliases(self) -> tuple[Mapping[str, str], ...]:
        return tuple(fake.aliases for fake in self.fakes)


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def shifted(event: Event, by_ns: int) -> Event:
    """The event with all its instants moved."""
    moved = {
        field.name: value + by_ns
        for field in fields(event)
        if field.name.endswith("_ns") and (value := getattr(event, field.name)) is not None
    }
    return replace(event, **moved)
