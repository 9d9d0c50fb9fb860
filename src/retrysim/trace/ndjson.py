"""A trace on disk: one JSON object a line, the first one a header; the same run gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from retrysim.errors import InputError
from retrysim.trace.events import KINDS, Event
from retrysim.trace.history import Trace

FORMAT = "retrysim-trace/1"


def dump_ndjson(trace: Trace) -> str:
    """The text of a trace; instants are integer nanoseconds since the epoch."""
    header = {"format": FORMAT, "seed": trace.seed, "start_ns": trace.start_ns}
    lines = [header, *map(as_dict, trace)]
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


def as_dict(event: Event) -> dict[str, Any]:
    """An event as it is on disk."""
    return {"event": event.kind} | {field.name: getattr(event, field.name) for field in fields(event)}


def load_ndjson(text: str) -> Trace:
    """Read a trace back; raises ``InputError`` for what is none."""
    first, *rest = text.splitlines() or [""]
    try:
        header = json.loads(first)
        if header["format"] != FORMAT:
            raise InputError(f"a trace of format {header['format']!r}: this version reads {FORMAT!r}")
        seed, start_ns = header["seed"], header["start_ns"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("not a trace of retrysim: its first line is no header of one") from error
    return Trace(seed=seed, start_ns=start_ns, events=_events(rest))


def _events(lines: Iterable[str]) -> list[Event]:
    events = []
    for number, line in enumerate(lines, start=2):
        try:
            events.append(_event(json.loads(line)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a whole trace of retrysim: line {number} is no event; was the file cut?") from error
    return events


def _event(values: dict[str, Any]) -> Event:
    kind = KINDS[values.pop("event")]
    if "holding" in values:
        values["holding"] = tuple((task_id, where) for task_id, where in values["holding"])
        values["blocked"] = tuple(values["blocked"])
    return kind(**values)
