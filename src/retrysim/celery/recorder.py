"""Writes the trace: Celery's own signals, turned into events of virtual time."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from celery import signals
from celery.utils.saferepr import saferepr

from retrysim.celery.tracebacks import as_in_production
from retrysim.clock import grid_ns, to_ns
from retrysim.errors import Runaway
from retrysim.kernel import Limits
from retrysim.trace import (
    Event,
    TaskFailed,
    TaskIgnored,
    TaskReceived,
    TaskRejected,
    TaskRetried,
    TaskRevoked,
    TaskSent,
    TaskStarted,
    TaskSucceeded,
    WorkerLogged,
)
from retrysim.undo import UndoStack

#: How much of a result's or an exception's text goes into the trace, in characters.
_LONGEST_TEXT = 400


#: Whose warnings are those of a worker, not of a task.
_WORKERS_LOGGERS = ("celery.worker", "kombu")
_ADDRESS = re.compile(r"\b0x[0-9a-f]+")


class HasTime(Protocol):
    @property
    def ns(self) -> int: ...


class Surroundings(Protocol):
    """Where a recorder is: its clock and its limits, and who is told what must end the run."""

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
    """What takes the events."""

    def append(self, event: Event) -> None: ...


class Recorder:
    """Appends to ``trace`` what Celery's signals tell; ``redact`` takes secrets out of every text."""

    def __init__(self, environment: Surroundings, trace: Events, redact: Callable[[str], str]) -> None:
        self._environment = environment
        self._trace = trace
        self._redact = redact
        #: what the broker notes: into which queues a message was put; where none does, what a direct exchange would do
        self.routed: Callable[[], dict[str, list[str]] | None] = _nobody_notes
        self._attempts: Counter[str] = Counter()
        self._eta_ns: dict[str, tuple[int, int | None]] = {}  # task id -> (retries, ETA) of the last message

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
        ):
            heard = self._never_silent(receiver)
            signal.connect(heard, weak=False)
            undo.callback(signal.disconnect, heard)

        handler = _LogHandler(self._on_logged)
        for name in _WORKERS_LOGGERS:
            logger = logging.getLogger(name)
            logger.addHandler(handler)
            undo.callback(logger.removeHandler, handler)

    def _on_logged(self, record: logging.LogRecord) -> None:
        process = self._environment.current
        if not self._environment.owns_thread or process is None or process.host is None:
            return
        lines = record.getMessage().strip().splitlines() or [""]
        text = self._redact(_ADDRESS.sub("0x...", lines[0]))[:_LONGEST_TEXT]
        self._add(WorkerLogged(at_ns=self._now, worker=str(process.host), level=record.levelname, text=text))

    def _never_silent(self, receiver: Callable[..., None]) -> Callable[..., None]:
        """Celery logs what a receiver raises and goes on; an error of ours must end the run."""

        def hear(sender: Any, **told: Any) -> None:
            try:
                receiver(sender, **told)
            except Exception as error:
                self._environment.fail(error)

        return hear

    def attempt_of(self, task_id: str) -> int:
        """Which attempt of the task runs now (or ran last)."""
        return self._attempts[task_id]

    @property
    def _now(self) -> int:
        return self._environment.clock.ns

    def _add(self, event: Event) -> None:
        self._trace.append(event)

    def _exception_text(self, error: BaseException) -> str:
        """``Type: message``, as the last line of a traceback, on one line and without secrets."""
        try:
            message = str(error)
        except Exception:
            message = repr(type(error))
        text = f"{type(error).__name__}: {' '.join(message.split())}".removesuffix(": ")
        return self._redact(text)[:_LONGEST_TEXT]

    # -- receivers -----------------------------------------------------------------------------------------------------

    def _on_sending(self, sender: Any, headers: Any = None, **_: Any) -> None:
        """What a broker has put back into its queue since the last sending is none of this one's."""
        routed = self.routed()
        if headers and routed is not None:
            routed.pop(headers.get("id", ""), None)

    def _on_sent(self, sender: Any, headers: Any = None, routing_key: str = "", **_: Any) -> None:
        if not headers or "id" not in headers:
            return
        retries, eta_ns = headers.get("retries") or 0, _instant_ns(headers.get("eta"))
        self._eta_ns[headers["id"]] = (retries, eta_ns)
        self._add(
            TaskSent(
                at_ns=self._now,
                task_id=headers["id"],
                name=headers["task"],
                queue=self._queue_of(headers["id"], routing_key),
                retries=retries,
                eta_ns=eta_ns,
                parent_id=headers.get("parent_id"),
            )
        )

    def _queue_of(self, task_id: str, routing_key: str) -> str:
        """Where a message that was sent lies now: one queue, or several with a comma, or none at all."""
        routed = self.routed()
        if routed is None:
            return routing_key
        return ", ".join(dict.fromkeys(routed.pop(task_id, ())))

    def _on_received(self, sender: Any, request: Any = None, **_: Any) -> None:
        self._add(TaskReceived(at_ns=self._now, task_id=request.id, worker=_short(request.hostname)))

    def _on_started(self, sender: Any, task_id: str = "", task: Any = None, **_: Any) -> None:
        if self._environment.current is not None:
            self._environment.current.thread.tasks.append(f"task {task.name}[{task_id[:8]}]")
        self._attempts[task_id] += 1
        attempt = self._attempts[task_id]
        self._add(
            TaskStarted(
                at_ns=self._now,
                task_id=task_id,
                name=task.name,
                worker=_short(task.request.hostname or "eager"),
                attempt=attempt,
            )
        )
        if attempt > self._environment.limits.attempts_per_task:
            self._environment.fail(runaway(task.name, task_id, attempt - 1))

    def _on_retried(self, sender: Any, request: Any = None, reason: Any = None, **_: Any) -> None:
        exception = "" if reason is None or reason.exc is None else self._exception_text(reason.exc)
        self._add(
            TaskRetried(
                at_ns=self._now,
                task_id=request.id,
                due_ns=self._due_ns(request, getattr(reason, "when", None)),
                exception=exception,
            )
        )

    def _due_ns(self, request: Any, when: Any) -> int:
        """The ETA of the message that carries the retry; where none was sent, what ``retry`` was told."""
        retries, eta_ns = self._eta_ns.get(request.id, (0, None))
        if retries == request.retries + 1 and eta_ns is not None:
            return eta_ns
        if isinstance(when, datetime):
            return to_ns(when if when.tzinfo is not None else when.replace(tzinfo=UTC))
        if isinstance(when, timedelta):
            when = when.total_seconds()
        if isinstance(when, int | float):
            return self._now + (grid_ns(when) if when > 0 else -grid_ns(-when))
        return self._now

    def _on_succeeded(self, sender: Any, result: Any = None, **_: Any) -> None:
        text = self._redact(saferepr(result, _LONGEST_TEXT))
        self._add(TaskSucceeded(at_ns=self._now, task_id=sender.request.id, result=text))

    def _on_failed(self, sender: Any, task_id: str = "", exception: Any = None, einfo: Any = None, **_: Any) -> None:
        self._add(
            TaskFailed(
                at_ns=self._now,
                task_id=task_id,
                exception=self._exception_text(exception),
                traceback=self._redact(as_in_production(str(getattr(einfo, "traceback", "") or ""))),
            )
        )

    def _on_revoked(self, sender: Any, request: Any = None, expired: bool = False, **_: Any) -> None:
        self._add(TaskRevoked(at_ns=self._now, task_id=request.id, expired=bool(expired)))

    def _on_rejected(self, sender: Any, message: Any = None, exc: Any = None, **_: Any) -> None:
        task_id = (getattr(message, "headers", None) or {}).get("id")
        if task_id:
            self._add(TaskRejected(at_ns=self._now, task_id=task_id, reason=saferepr(exc), requeue=False))

    def _on_unknown(self, sender: Any, name: str = "", id: str = "", **_: Any) -> None:  # noqa: A002 - Celery's name
        reason = f"the worker has no task {name!r}"
        self._add(TaskRejected(at_ns=self._now, task_id=id, reason=reason, requeue=False))

    def _on_ended(self, sender: Any, task_id: str = "", state: str | None = None, retval: Any = None, **_: Any) -> None:
        if self._environment.current is not None:
            self._environment.current.thread.tasks.pop()
        if state == "IGNORED":
            self._add(TaskIgnored(at_ns=self._now, task_id=task_id))
        elif state == "REJECTED":
            requeue = bool(getattr(retval, "requeue", False))
            self._add(TaskRejected(at_ns=self._now, task_id=task_id, reason=saferepr(retval), requeue=requeue))


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
        f"{name}[{task_id[:8]}] was attempted {attempts} times and does not settle: its retries have no end "
        "(a larger run: limits: {attempts_per_task: ...})"
    )


def _short(hostname: str) -> str:
    """``celery@worker-1`` is ``worker-1``."""
    return hostname.rpartition("@")[2]


def _instant_ns(text: str | None) -> int | None:
    return None if text is None else to_ns(_aware(datetime.fromisoformat(text)))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
