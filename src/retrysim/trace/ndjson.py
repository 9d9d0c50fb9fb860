"""A trace on disk: one JSON object a line, the first one a header; the same run gives the same bytes.

``reader.py`` reads it back.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from retrysim.printable import json_text
from retrysim.trace.events import KINDS, Event
from retrysim.trace.history import Trace

FORMAT = "retrysim-trace/1"
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in KINDS.values()}


def dump_ndjson(trace: Trace) -> str:
    """The text of a trace; instants are integer nanoseconds since the epoch. UTF-8 can hold it, whatever is in it."""
    header = {"format": FORMAT, "seed": trace.seed, "start_ns": trace.start_ns}
    return "".join(json_text(line, compact=True) + "\n" for line in (header, *map(as_dict, trace)))


def as_dict(event: Event) -> dict[str, Any]:
    """An event as it is on disk."""
    values = {name: getattr(event, name) for name in _NAMES[type(event)]}
    if values.get("effect", "") is None:  # only few traces have it
        del values["effect"]
    return {"event": event.kind} | values
