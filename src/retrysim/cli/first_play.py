"""Plays a task that was found, and again with what it lacked: a fake of the API that it calls, a queue, a database."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from retrysim.cli.first_files import scenario_text
from retrysim.cli.found import Found, fake_of
from retrysim.outcomes.outcome import Outcome
from retrysim.project import project_around
from retrysim.trace import TaskFailed, TaskRetried, Trace

_UNSERVED = re.compile(r"^UnservedHost: .*? called (https?://[^\s,]+?)(?::443|:80)?, which no fake serves")
_UNCONSUMED = re.compile(r"^it waits in queue '(.+)', which nobody consumes$")
_REAL_DATABASE = "RealDatabase: "
#: A body that calls several APIs gets as far as the first that no fake serves.
_MOST_PLAYS = 6


def first_play(found: Found, file: str) -> tuple[Found, Outcome]:
    """What the files are to say, and how it was played."""
    outcome = _play(found, file)
    for _ in range(_MOST_PLAYS - 1):
        more = _with_what_it_lacked(found, outcome.trace)
        if more == found:
            break
        found, outcome = more, _play(more, file)
    return found, outcome


def _play(found: Found, file: str) -> Outcome:
    from retrysim.scenarios import items_of, loads
    from retrysim.simulation.player import play

    played = replace(found, database=found.database and _is_all_in_sqlite())
    [item] = items_of(loads(scenario_text(played), file=file, project=project_around(Path.cwd())))
    return play(item)


def _with_what_it_lacked(found: Found, trace: Trace) -> Found:
    errors = list(_errors(trace))
    urls = [match[1] for error in errors if (match := _UNSERVED.match(error))]
    queues = {match[1] for reason in trace.lost().values() if (match := _UNCONSUMED.match(reason))}
    return replace(
        found,
        fakes=dict(found.fakes) | dict(map(fake_of, urls)),
        queues=tuple(sorted({*(found.queues or found.default_queues), *queues})) if queues else found.queues,
        database=found.database or (_is_django() and any(error.startswith(_REAL_DATABASE) for error in errors)),
    )


def _errors(trace: Trace) -> Iterator[str]:
    """``Type: message`` of what ended an attempt, each once."""
    yield from dict.fromkeys(event.exception for event in trace if isinstance(event, TaskFailed | TaskRetried))


def _is_django() -> bool:
    settings = sys.modules.get("django.conf")
    return settings is not None and settings.settings.configured


def _is_all_in_sqlite() -> bool:
    """Whether a test database is made without a server: what has not been asked for connects to none."""
    from django.db import connections

    return all(connection.vendor == "sqlite" for connection in connections.all())
