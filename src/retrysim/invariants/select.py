"""Which tasks and which calls an invariant judges: all of them, or those that it was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from retrysim.trace import ApiCalled, TaskHistory, Trace, is_named

#: A task's name, or several. ``push_contact#2`` is the second one sent of that name.
Names = str | Iterable[str]


def tasks_of(trace: Trace, name: Names | None = None) -> Iterator[TaskHistory]:
    """The tasks of a name (its end is enough), or all."""
    wanted = [] if name is None else [name] if isinstance(name, str) else list(name)
    return (t for t in trace.tasks.values() if name is None or any(_is(t, one) for one in wanted))


def _is(task: TaskHistory, wanted: str) -> bool:
    name, _, number = wanted.partition("#")
    return is_named(task.name, name) and number in ("", str(task.number))


def calls_of(trace: Trace, fake: str | None = None, endpoint: str | None = None) -> list[ApiCalled]:
    """The calls of a fake and of an endpoint, or all."""
    return [c for c in trace.of(ApiCalled) if fake in (None, c.fake) and endpoint in (None, c.endpoint)]
