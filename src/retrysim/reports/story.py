"""What happened, in words: each event of a trace as a line that a person reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from retrysim.durations import format_duration
from retrysim.reports.words import count_of, instant_of
from retrysim.trace import Trace, events


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """One event: ``mark`` is its kind in a word (a state, ``call``, ``refused``, ``fault``), ``text`` the rest.

    ``gist`` is the part of the text that events alike have in common.
    """

    at_ns: int
    mark: str
    text: str
    gist: str
    task_id: str | None = None
    detail: str = ""  # a traceback


def line_of(trace: Trace, event: events.Event) -> StoryLine:
    """One event in words."""
    task_id = event.task_id if isinstance(event, events.TaskEvent | events.ApiCalled) else None
    mark, text, gist = _worded(trace, event)
    detail = event.traceback.rstrip() if isinstance(event, events.TaskFailed) else ""
    return StoryLine(at_ns=event.at_ns, mark=mark, text=text, gist=gist, task_id=task_id, detail=detail)


def stories_of(trace: Trace) -> dict[str, list[StoryLine]]:
    """The story of each task, its calls included, in the order of the trace; of a lost one, why it is lost."""
    stories: dict[str, list[StoryLine]] = {task_id: [] for task_id in trace.tasks}
    for event in trace:
        line = line_of(trace, event)
        if line.task_id in stories:
            stories[line.task_id].append(line)
    ended = trace.ended
    for task_id, why in trace.lost().items():
        at_ns = ended.at_ns if ended else trace.start_ns
        stories[task_id].append(StoryLine(at_ns=at_ns, mark="lost", text=why, gist=why, task_id=task_id))
    return stories


def _worded(trace: Trace, event: events.Event) -> tuple[str, str, str]:
    """The mark, the text and the gist of an event."""
    worded = _WORDS.get(type(event))
    mark, *texts = worded(trace, event) if worded else (event.kind, "")
    return mark, texts[0], texts[-1]


def _sent(trace: Trace, event: events.TaskSent) -> str:
    text = f"to queue {event.queue}" if event.queue else "to its queue"
    if event.retries:
        text += f", retry {event.retries}"
    if event.eta_ns is not None:
        text += f", not before {instant_of(trace, event.eta_ns)}"
    return text


def _retried(trace: Trace, event: events.TaskRetried) -> tuple[str, str, str]:
    due = f"due {instant_of(trace, event.due_ns)} (in {format_duration(event.due_ns - event.at_ns)})"
    if not event.exception:
        return "RETRY", due, due
    return "RETRY", f"{due}: {event.exception}", f"{due}: {_type_of(event.exception)}"


def _called(trace: Trace, event: events.ApiCalled) -> tuple[str, str, str]:
    answered = f"{event.answer}  {event.fake}  {event.endpoint}"
    mark = "refused" if event.decision == "limited" else "call"
    return mark, ", ".join([answered, *_limit_words(trace, event)]), answered


def _limit_words(trace: Trace, event: events.ApiCalled) -> Iterator[str]:
    if event.limit is None:
        return
    yield f"{event.remaining} of {event.limit} left"
    if event.decision == "limited" and event.retry_at_ns is not None:
        yield f"opens {instant_of(trace, event.retry_at_ns)}"


def _rejected(event: events.TaskRejected) -> tuple[str, str]:
    return ("rejected", f"{event.reason}, back to its queue") if event.requeue else ("REJECTED", event.reason)


def _ready(event: events.WorkerReady) -> str:
    return f"{event.worker}, {count_of(event.concurrency, 'slot')}"


def _fired(event: events.FaultFired) -> str:
    says_more = event.name not in ("", event.verb) and event.target not in event.name
    return f"{event.verb.replace('_', ' ')} {event.target}" + (f" ({event.name})" if says_more else "")


def _type_of(exception: str) -> str:
    """``ValueError`` of ``ValueError: no addition today``."""
    return exception.partition(":")[0]


#: How each kind of event is told: its mark, its text, and its gist where that is less.
_WORDS: dict[type[events.Event], Callable[[Trace, Any], tuple[str, ...]]] = {
    events.TaskSent: lambda trace, event: ("sent", _sent(trace, event)),
    events.TaskReceived: lambda _, event: ("received", f"by {event.worker}"),
    events.TaskStarted: lambda _, event: ("started", f"attempt {event.attempt} on {event.worker}"),
    events.TaskRetried: _retried,
    events.TaskSucceeded: lambda _, event: ("SUCCESS", event.result, ""),
    events.TaskFailed: lambda _, event: ("FAILURE", event.exception, _type_of(event.exception)),
    events.TaskRevoked: lambda _, event: ("REVOKED", "it had expired" if event.expired else "somebody revoked it"),
    events.TaskRejected: lambda _, event: _rejected(event),
    events.TaskIgnored: lambda _, event: ("IGNORED", "it raised Ignore"),
    events.ApiCalled: _called,
    events.WorkerReady: lambda _, event: ("ready", _ready(event)),
    events.WorkerStopped: lambda _, event: ("stopped", f"{event.worker}, {event.how}"),
    events.FaultFired: lambda _, event: ("fault", _fired(event)),
    events.WorkerLogged: lambda _, event: ("logged", f"{event.worker}, {event.level}: {event.text}"),
    events.RunEnded: lambda _, event: ("ended", "nothing more would happen" if event.idle else "told to stop here"),
}
