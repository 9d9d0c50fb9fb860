"""The one door: puts virtual time and seeded randomness under the standard library, and takes them away again."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import freezegun
import freezegun.api

from retrysim.clock import to_datetime
from retrysim.kernel import Environment, Streams
from retrysim.patches.dates import virtual_dates
from retrysim.patches.other_clocks import no_other_clock, refuse_other_clocks
from retrysim.patches.readings import virtual_readings
from retrysim.patches.reality import Reality
from retrysim.patches.references import REAL_MODULES, replace_references, restore_references_of_new_modules
from retrysim.patches.virtual_threading import virtual_threading
from retrysim.patches.waits import virtual_sleep
from retrysim.undo import UndoStack

#: freezegun's names for the readings that it puts everywhere
_FREEZEGUN_READINGS = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime",
)  # fmt: skip


@contextmanager
def virtual_standard_library(
    environment: Environment, streams: Streams, reality: Reality | None = None
) -> Iterator[None]:
    """While inside, clocks, waits, threads and randomness belong to the simulation."""
    with virtual_threading(environment, reality or Reality(environment)), virtual_clocks(environment, streams):
        yield


@contextmanager
def virtual_clocks(environment: Environment, streams: Streams) -> Iterator[None]:
    """While inside, ``time``, ``datetime``, ``random`` and ``uuid4`` belong to the simulation."""
    no_other_clock()
    with UndoStack() as undo:
        readings = virtual_readings(environment.clock)
        stand_ins = _stand_ins(environment, streams, readings)
        _freeze(undo, environment, readings)
        refuse_other_clocks(undo)
        undo.set_attribute(time, "sleep", stand_ins[time.sleep])
        undo.set_attribute(time, "ctime", readings["ctime"])
        undo.set_attribute(uuid, "uuid4", stand_ins[uuid.uuid4])
        replace_references(undo, stand_ins)
        restore_references_of_new_modules(undo, stand_ins)
        _seed(undo, streams)
        yield


def _stand_ins(environment: Environment, streams: Streams, readings: dict[str, Any]) -> dict[Any, object]:
    """Real function -> what stands in for it: for names and default arguments that were captured at import."""
    stand_ins: dict[Any, object] = {getattr(time, name): reading for name, reading in readings.items()}
    stand_ins[time.sleep] = virtual_sleep(environment)
    stand_ins[uuid.uuid4] = _seeded_uuid4(streams)
    return stand_ins


def _freeze(undo: UndoStack, environment: Environment, readings: dict[str, Any]) -> None:
    """freezegun finds the clocks and dates; it is lent our readings while it puts them in place."""
    date, datetime = virtual_dates(environment.clock)
    with_ours = {f"fake_{name}": readings[name] for name in _FREEZEGUN_READINGS}
    for name, stand_in in {**with_ours, "FakeDate": date, "FakeDatetime": datetime}.items():
        undo.set_attribute(freezegun.api, name, stand_in)
    freezer = freezegun.freeze_time(to_datetime(environment.clock.ns), ignore=list(REAL_MODULES))
    freezer.ignore = REAL_MODULES  # without freezegun's own list, whose "gi" would spare github and "queue" kombu's
    undo.enter_context(freezer)


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

    So does ``uuid1``, which draws a process' node once, and never tells an earlier time than before.
    """
    undo.set_attribute(uuid, "_node", Streams(streams.seed)["node"].getrandbits(48))
    undo.set_attribute(uuid, "_last_timestamp", None)
    undo.callback(random.setstate, random.getstate())
    begin_randomness(streams)
