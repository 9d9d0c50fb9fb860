"""The one door: puts virtual time and seeded randomness under the standard library, and takes them away again."""

from __future__ import annotations

import copyreg
import datetime as real_datetime
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from retrysim.kernel import Environment, Streams
from retrysim.patches.companions import Companions
from retrysim.patches.dates import lend_readings, virtual_dates
from retrysim.patches.loaded import unnoticed
from retrysim.patches.other_clocks import no_other_clock, refuse_other_clocks
from retrysim.patches.readings import virtual_readings
from retrysim.patches.reality import Reality
from retrysim.patches.references import replace_references, restore_references_of_new_modules
from retrysim.patches.stand_ins import as_builtin
from retrysim.patches.virtual_threading import virtual_threading
from retrysim.patches.waits import virtual_sleep
from retrysim.undo import UndoStack


@contextmanager
def virtual_standard_library(
    environment: Environment, streams: Streams, reality: Reality | None = None
) -> Iterator[None]:
    """While inside, clocks, waits, threads and randomness belong to the simulation."""
    reality = reality or Reality(environment)
    with virtual_threading(environment, reality), virtual_clocks(environment, streams, reality.companions):
        yield


@contextmanager
def virtual_clocks(environment: Environment, streams: Streams, companions: Companions) -> Iterator[None]:
    """While inside, ``time``, ``datetime``, ``random`` and ``uuid4`` belong to the simulation."""
    no_other_clock()
    with UndoStack() as undo:
        with unnoticed(undo):
            refuse_other_clocks(undo)
            functions, dates = _functions(environment, streams, companions), _dates()
            lend_readings(undo, environment.clock)
            replace_references(undo, functions, only_as_names=dates)
            restore_references_of_new_modules(undo, {**functions, **dates})
            _pickle_as_virtual(undo, dates)
            _seed(undo, streams)
        yield


def _functions(environment: Environment, streams: Streams, companions: Companions) -> dict[Any, object]:
    """Real function -> what stands in for it: in ``time`` and ``uuid``, and wherever it was captured."""
    readings = virtual_readings(environment.clock)
    stand_ins: dict[Any, object] = {getattr(time, name): as_builtin(reading) for name, reading in readings.items()}
    stand_ins[time.sleep] = as_builtin(virtual_sleep(environment, companions))
    stand_ins[uuid.uuid4] = _seeded_uuid4(streams)
    return stand_ins


def _dates() -> dict[Any, type]:
    """Real class -> what stands in for it, as the name of a module: elsewhere, it says what is in a field or column."""
    date, datetime = virtual_dates()
    return {real_datetime.date: date, real_datetime.datetime: datetime}


def _pickle_as_virtual(undo: UndoStack, dates: Mapping[Any, type]) -> None:
    """A real date is pickled by the name of its class, which is the virtual one's by then."""
    for real, virtual in dates.items():
        undo.set_item(copyreg.dispatch_table, real, partial(_reduced, virtual))


def _reduced(virtual: type, value: Any) -> tuple[type, tuple[Any, ...]]:
    return virtual, value.__reduce_ex__(4)[1]


def _seeded_uuid4(streams: Streams) -> Any:
    stream = streams["uuid"]

    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=stream.getrandbits(128), version=4)

    return uuid4


def begin_randomness(streams: Streams) -> None:
    """Let the module ``random`` draw what the seed says, whoever seeded it meanwhile; each time something else."""
    random.seed(streams["random"].getrandbits(64))


def _seed(undo: UndoStack, streams: Streams) -> None:
    """The module ``random`` draws from the seed: jitter, nonces, shuffles of whatever library.

    So does ``uuid1``, which asks the system first, draws a process' node once, and never tells an earlier time than
    before.
    """
    undo.set_attribute(uuid, "_generate_time_safe", None)
    undo.set_attribute(uuid, "_UuidCreate", None)
    undo.set_attribute(uuid, "_node", Streams(streams.seed)["node"].getrandbits(48))
    undo.set_attribute(uuid, "_last_timestamp", None)
    undo.callback(random.setstate, random.getstate())
    begin_randomness(streams)
