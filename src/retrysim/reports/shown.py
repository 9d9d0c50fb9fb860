"""A trace as it may be shown: what steers a terminal, breaks a page or cannot be seen is written as escapes.

Task names, exceptions, results and URLs come from a run, and may hold anything. Every report draws the trace that
``shown`` gives, so that no other place has to think of it; the trace itself and its form on disk keep what was said.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from retrysim.printable import printable, printable_line
from retrysim.trace import Event, Trace
from retrysim.trace.events import KINDS

#: The texts that have several lines.
_LONG = ("traceback",)
#: The fields of each kind of event that hold texts.
_TEXTS = {kind: tuple(one.name for one in fields(kind) if "str" in str(one.type)) for kind in KINDS.values()}


def shown(trace: Trace) -> Trace:
    """The trace with all its texts printable; the same object where they are so already."""
    events = [_shown(event) for event in trace]
    if all(one is other for one, other in zip(events, trace, strict=True)):
        return trace
    return Trace(seed=trace.seed, start_ns=trace.start_ns, events=events)


def _shown(event: Event) -> Event:
    changed: dict[str, Any] = {}
    for name in _TEXTS[type(event)]:
        value = getattr(event, name)
        harmless = printable(value) if name in _LONG else _harmless(value)
        if harmless != value:
            changed[name] = harmless
    return replace(event, **changed) if changed else event


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return printable_line(value)
    return tuple(map(_harmless, value)) if isinstance(value, tuple) else value
