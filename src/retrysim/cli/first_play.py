"""Plays a task that was found, and again with what it lacked: a fake of an API, a queue, a Redis, a database.

Its arguments are guessed, so it reaches nothing real, and changes no file that the play has not made.
"""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from retrysim.cli.first_files import scenario_text
from retrysim.cli.found import Found, fake_of
from retrysim.errors import RealDatabase, RealFile, SimulationError, UnservedHost
from retrysim.outcomes.outcome import Outcome
from retrysim.project import project_around
from retrysim.trace import Trace

if TYPE_CHECKING:
    from retrysim.simulation.simulation import Simulation

#: The kind of the error, and the URL, database or path that was meant.
Refusal = tuple[type[SimulationError], str]

_UNCONSUMED = re.compile(r"^it waits in queue '(.+)', which nobody consumes$")
#: A body that calls several APIs gets as far as the first that no fake serves.
_MOST_PLAYS = 6


def first_play(found: Found, file: str) -> tuple[Found, Outcome]:
    """What the files are to say, and how it was played."""
    outcome, refused = _play(found, file)
    for _ in range(_MOST_PLAYS - 1):
        more = _with_what_it_lacked(found, outcome.trace, refused)
        if more == found:
            break
        found = more
        outcome, refused = _play(found, file)
    return found, outcome


def _play(found: Found, file: str) -> tuple[Outcome, list[Refusal]]:
    from retrysim.scenarios import items_of, loads
    from retrysim.simulation.player import play

    played = replace(found, database=found.database and _is_all_in_sqlite(), files="scratch")
    [item] = items_of(loads(scenario_text(played), file=file, project=project_around(Path.cwd())))
    simulations: list[Simulation] = []
    with _in_silence():
        outcome = play(item, look=simulations.append)
    return outcome, [refusal for simulation in simulations for refusal in simulation.refusals]


@contextmanager
def _in_silence() -> Iterator[None]:
    """What a body logs and prints meanwhile is no part of what is written."""
    before, raises = logging.root.manager.disable, logging.raiseExceptions
    logging.disable(logging.CRITICAL)
    logging.raiseExceptions = False
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
        logging.raiseExceptions = raises


def _with_what_it_lacked(found: Found, trace: Trace, refused: list[Refusal]) -> Found:
    kinds = {kind for kind, _ in refused}
    urls = [what for kind, what in refused if kind is UnservedHost and what.startswith("http")]
    queues = {match[1] for reason in trace.lost().values() if (match := _UNCONSUMED.match(reason))}
    return replace(
        found,
        fakes=dict(found.fakes) | dict(map(fake_of, urls)),
        queues=tuple(sorted({*(found.queues or found.default_queues), *queues})) if queues else found.queues,
        database=found.database or (_is_django() and RealDatabase in kinds),
        redis=found.redis or any(kind is UnservedHost and what.startswith("redis://") for kind, what in refused),
        files="scratch" if RealFile in kinds else found.files,
    )


def _is_django() -> bool:
    settings = sys.modules.get("django.conf")
    return settings is not None and settings.settings.configured


def _is_all_in_sqlite() -> bool:
    """Whether a test database is made without a server: what has not been asked for connects to none."""
    from django.db import connections

    return all(connection.vendor == "sqlite" for connection in connections.all())
