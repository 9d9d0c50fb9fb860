"""Writes the trace: Celery's own signals, turned into events of virtual time."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from celery import signals
from celery.utils.saferepr import saferepr

from retrysim.celery import said
from retrysim.celery.attempts import Attempts
from retrysim.celery.forked import FarAttempts, FarRedactor, FarRouted, FarTrace
from retrysim.clock import grid_ns, to_ns
from retrysim.errors import Runaway
from retrysim.kernel import Limits, Role
from retrysim.kernel.limits import HOW_TO_RAISE
from retrysim.nearest import did_you_mean
from retrysim.trace import events
from retrysim.trace.loss import OUTSIDE_ITS_BODY
from retrysim.trace.secrets import Redactor, names_a_secret, without_addresses
from retrysim.undo import UndoStack

if TYPE_CHECKING:
    from retrysim.kernel.forked.inside import Link

#: How much of a result's or an exception's text goes into the trace, in characters.
_LONGEST_TEXT = 400
#: Where a text of that length may have been cut in the middle of a secret.
_LONGEST_SECRET = 100


#: Whose warnings are those of a worker, not of a task.
_WORKERS_LOGGERS = ("celery.worker", "kombu")


class HasTime(Protocol):
    @property
    def ns(self) -> int: ...


class Surroundings(Protocol):
    """Where a recorder is: its clock and its limits, and who receives an error that must end the run."""

    @property
    def clock(self) -> HasTime: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def current(self) -> Any:
        """The process that runs now, if there are several in one; ``owns_thread`` says whether it can be asked."""
        ...

    @property
    def owns_thread(self) -> bool: ...

    def fail(self, error: BaseException) -> None: ...


class Events(Protocol):
    """What takes the events; of an attempt that begins it may give the number, if it counts them itself."""

    def append(self, event: events.Event) -> int | None: ...


class Recorder:
    """Appends to ``trace`` what Celery's signals tell; ``redact`` takes secrets out of every text."""

    def __init__(self, environment: Surroundings, trace: Events, redact: Redactor) -> None:
        self._environment = environment
        self.trace = trace
        self.redact = redact
        self._parameters: dict[str, tuple[tuple[int, str], ...]] = {}  # task -> its arguments that are secrets
        #: what the broker notes: into which queues a message was put; where none does, what a direct exchange would do
        self.routed: Callable[[], dict[str, list[str]] | None] = _nobody_notes
        self.attempts = Attempts()
        self._eta_ns: dict[str, tuple[int, int | None]] = {}  # task id -> (retries, ETA) of the last message

    def record_elsewhere(self, link: Link) -> None:
        """In a pool process that is one of the machine: from here on, its parent keeps what is one for all."""
        routed = FarRouted(link)
        self.trace, self.redact, self.attempts = FarTrace(link, self._environment), FarRedactor(link), FarAttempts(link)  # type: ignore[assignment]
        notes = self.routed() is not None
        self.routed = lambda: routed if notes else None  # type: ignore[assignment,return-value]

    def connect(self, undo: UndoStack) -> None:
        """Listen to Celery's signals until ``undo`` is unwound."""
        for signal, receiver in (
            (signals.before_task_publish, self._on_sending),
            (signals.after_task_publish, self._on_sent),
            (signals.task_received, self._on_received),
            (signals.task_prerun, self._on_started),
            (signals.task_retry, self._on_retried),
            (signals.task_success, self._on_succeeded),
            (signals.task_failure, self._on_failed),
            (signals.task_revoked, self._on_revoked),
            (signals.task_rejected, self._on_rejected),
            (signals.task_unknown, self._on_unknown),
            (signals.task_postrun, self._on_ended),
            (signals.task_internal_error, self._on_internal_error),
        ):
            guarded = self._never_silent(receiver)
            signal.connect(guarded, weak=False)
            undo.callback(signal.disconnect, guarded)

        handler = _LogHandler(self._on_logged)
        for name in _WORKERS_LOGGERS:
            logger = logging.getLogger(name)
            logger.addHandler(handler)
            undo.callback(logger.removeHandler, handler)

    def _on_logged(self, record: logging.LogRecord) -> None:
        process = self._environment.current
        if not self._environment.owns_thread or process is None or process.host.role is Role.TEST:
            return
        lines = record.getMessage().strip().splitlines() or [""]
        text = self.redact(without_addresses(lines[0]))[:_LONGEST_TEXT]
        self._add(events.WorkerLogged(at_ns=self._now, worker=process.host.machine, level=record.levelname, text=text))

    def _never_silent(self, receiver: Callable[..., None]) -> Callable[..., None]:
        """Celery logs what a receiver raises and goes on; an error of ours must end the run."""

        def hear(sender: Any, **told: Any) -> None:
            try:
                receiver(sender, **told)
            except Exception as error:
                self._environment.fail(error)

        return hear

    def attempt_of(self, task: Any) -> int | None:
        """Which attempt of the task is the one that runs here."""
        return self.attempts.of(task.request)

    def _ended(self, task_id: str, request: Any = None, *, running: bool = False) -> dict[str, Any]:
        """What every outcome has; ``request`` is that of the body, where the body's own process tells.

        ``running``: it may be a body that its process runs still, and is about to end or has ended silently.
        """
        process = self._environment.current if self._environment.owns_thread else None
        worker = "" if process is None else process.host.machine
        task_id = said.text(task_id)
        number = self.attempts.ended(request, task_id, worker, process, running=running)
        return {"at_ns": self._now, "task_id": task_id, "attempt": number}

    @property
    def _now(self) -> int:
        return self._environment.clock.ns

    def _add(self, event: events.Event) -> None:
        self.trace.append(event)

    def _exception_text(self, error: BaseException) -> str:
        """``Type: message``, as the last line of a traceback, on one line and without secrets."""
        try:
            message = str(error)
        except Exception:
            message = repr(type(error))
        text = f"{type(error).__name__}: {' '.join(message.split())}".removesuffix(": ")
        return self.redact(without_addresses(text))[:_LONGEST_TEXT]

    def _repr(self, value: Any) -> str:
        """A value as Celery's log writes it; a secret that the cut would halve is hidden before the cut."""
        text = saferepr(value, _LONGEST_TEXT)
        if len(text) > _LONGEST_TEXT - _LONGEST_SECRET:
            longer = without_addresses(saferepr(value, 4 * _LONGEST_TEXT))
            if (redacted := self.redact(longer)) != longer:
                return redacted[:_LONGEST_TEXT]
        return self.redact(without_addresses(text))

    # -- receivers -----------------------------------------------------------------------------------------------------

    def _on_sending(self, sender: Any, headers: Any = None, body: Any = None, **_: Any) -> None:
        """What a broker has put back into its queue since the last sending is none of this one's."""
        if isinstance(body, tuple) and len(body) > 1 and body[1]:
            self.redact.learn("", body[1])
        routed = self.routed()
        if headers and routed is not None:
            routed.pop(said.text(headers.get("id", "")), None)

    def _on_sent(self, sender: Any, headers: Any = None, routing_key: str = "", **_: Any) -> None:
        if not headers or "id" not in headers:
            return
        task_id, parent = said.text(headers["id"]), headers.get("parent_id")
        retries, eta_ns = said.count(headers.get("retries")), said.instant_ns(headers.get("eta"))
        self._eta_ns[task_id] = (retries, eta_ns)
        self._add(
            events.TaskSent(
                at_ns=self._now,
                task_id=task_id,
                name=str(headers.get("task")),
                queue=self._queue_of(task_id, str(routing_key)),
                retries=retries,
                eta_ns=eta_ns,
                parent_id=None if parent is None else said.text(parent),
            )
        )

    def _queue_of(self, task_id: str, routing_key: str) -> str:
        """Where a message that was sent lies now: one queue, or several with a comma, or none at all."""
        routed = self.routed()
        if routed is None:
            return routing_key
        return ", ".join(dict.fromkeys(routed.pop(task_id, ())))

    def _on_received(self, sender: Any, request: Any = None, **_: Any) -> None:
        self._add(events.TaskReceived(at_ns=self._now, task_id=said.text(request.id), worker=_short(request.hostname)))

    def _on_started(
        self, sender: Any, task_id: Any = "", task: Any = None, args: Any = (), kwargs: Any = None, **_: Any
    ) -> None:
        task_id = said.text(task_id)
        self._learn_arguments(task, args or (), kwargs or {})
        if self._environment.current is not None:
            self._environment.current.thread.tasks.append(f"task {task.name}[{task_id[:8]}]")
        process = self._environment.current if self._environment.owns_thread else None
        worker = _short(task.request.hostname or "eager")
        self.note_start(task_id, task.name, worker, task.request, process)

    def note_start(self, task_id: str, name: str, worker: str, request: Any, process: Any) -> int:
        """Number an attempt that begins in a process, and write it down."""
        attempt = self.attempts.next(task_id)
        begun = events.TaskStarted(at_ns=self._now, task_id=task_id, name=name, worker=worker, attempt=attempt)
        counted = self.trace.append(begun) or attempt
        self.attempts.begin(request, task_id, counted, worker, process)
        if attempt > self._environment.limits.attempts_per_task:
            self._environment.fail(runaway(name, task_id, attempt - 1))
        return counted

    def _learn_arguments(self, task: Any, args: Any, kwargs: Any) -> None:
        """Learn the arguments whose names are those of secrets; of positional ones the body knows the names."""
        if kwargs:
            self.redact.learn("", kwargs)
        if args:
            if task.name not in self._parameters:
                self._parameters[task.name] = _secret_parameters(task.run)
            for position, name in self._parameters[task.name]:
                if position < len(args):
                    self.redact.learn(name, args[position])

    def _on_retried(self, sender: Any, request: Any = None, reason: Any = None, **_: Any) -> None:
        exception = "" if reason is None or reason.exc is None else self._exception_text(reason.exc)
        self._add(
            events.TaskRetried(
                **self._ended(request.id, request, running=True),  # of one that is cancelled, the worker tells
                due_ns=self._due_ns(request, getattr(reason, "when", None)),
                exception=exception,
            )
        )

    def _due_ns(self, request: Any, when: Any) -> int:
        """The ETA of the message that carries the retry; where none was sent, the one that ``retry`` was given."""
        retries, eta_ns = self._eta_ns.get(said.text(request.id), (0, None))
        if retries == said.count(request.retries) + 1 and eta_ns is not None:
            return eta_ns
        if isinstance(when, datetime):
            return to_ns(said.aware(when))
        if isinstance(when, timedelta):
            when = when.total_seconds()
        if isinstance(when, int | float) and math.isfinite(when):
            return self._now + (grid_ns(when) if when > 0 else -grid_ns(-when))
        return self._now

    def _on_succeeded(self, sender: Any, result: Any = None, **_: Any) -> None:
        text = self._repr(result)
        self._add(events.TaskSucceeded(**self._ended(sender.request.id, sender.request), result=text))

    def _on_failed(self, sender: Any, task_id: str = "", exception: Any = None, einfo: Any = None, **_: Any) -> None:
        self._add(
            events.TaskFailed(
                **self._ended(task_id, sender.request, running=True),
                exception=self._exception_text(exception),
                traceback=self.redact(without_addresses(str(getattr(einfo, "traceback", "") or ""))),
            )
        )

    def _on_revoked(
        self, sender: Any, request: Any = None, expired: bool = False, terminated: bool = False, **_: Any
    ) -> None:
        ended = self._ended(request.id, running=bool(terminated))
        self._add(events.TaskRevoked(**ended, expired=bool(expired), terminated=bool(terminated)))

    def _on_rejected(self, sender: Any, message: Any = None, exc: Any = None, **_: Any) -> None:
        task_id = (getattr(message, "headers", None) or {}).get("id")
        if task_id:
            self._add(events.TaskRejected(**self._ended(task_id), reason=self._repr(exc), requeue=False))

    def _on_unknown(self, sender: Any, name: str = "", id: str = "", **_: Any) -> None:  # noqa: A002 - Celery's name
        hint = did_you_mean(name, sender.app.tasks) if isinstance(name, str) else ""
        reason = f"the worker has no task {name!r}{hint}"
        self._add(events.TaskRejected(**self._ended(id), reason=reason, requeue=False))

    def _on_internal_error(self, sender: Any, task_id: Any = "", exception: Any = None, **_: Any) -> None:
        """Celery itself failed around a body, as where a result cannot be stored: the attempt may have no outcome."""
        process = self._environment.current if self._environment.owns_thread else None
        if process is None or process.host.role is Role.TEST:
            return
        text = f"Task {sender.name}[{said.text(task_id)}] {OUTSIDE_ITS_BODY}: {self._exception_text(exception)}"
        worker = process.host.machine
        self._add(events.WorkerLogged(at_ns=self._now, worker=worker, level="WARNING", text=text[:_LONGEST_TEXT]))

    def _on_ended(self, sender: Any, task_id: str = "", state: str | None = None, retval: Any = None, **_: Any) -> None:
        if self._environment.current is not None:
            self._environment.current.thread.tasks.pop()
        if state == "IGNORED":
            self._add(events.TaskIgnored(**self._ended(task_id, sender.request)))
        elif state == "REJECTED":
            requeue = bool(getattr(retval, "requeue", False))
            self._add(
                events.TaskRejected(**self._ended(task_id, sender.request), reason=self._repr(retval), requeue=requeue)
            )


def _secret_parameters(body: Any) -> tuple[tuple[int, str], ...]:
    """The positional parameters of a task's body that hold secrets, each with its place."""
    try:
        names = list(inspect.signature(body).parameters)
    except (TypeError, ValueError):
        return ()
    return tuple((place, name) for place, name in enumerate(names) if names_a_secret(name))


class _LogHandler(logging.Handler):
    """Hands over what is a warning or worse."""

    def __init__(self, hear: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.WARNING)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record)


def _nobody_notes() -> None:
    return None


def runaway(name: str, task_id: str, attempts: int) -> Runaway:
    return Runaway(
        f"{name}[{task_id[:8]}] was attempted {attempts} times and does not settle: "
        "its retries, or deliveries, have no end\n" + HOW_TO_RAISE.format(name="attempts_per_task")
    )


def _short(hostname: str) -> str:
    """``celery@worker-1`` is ``worker-1``."""
    return hostname.rpartition("@")[2]
