"""How fast a scenario may be played: the machine must still tell its instants apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from retrysim.durations import SECOND, format_duration
from retrysim.errors import InputError
from retrysim.live.faketime import FASTEST
from retrysim.scenarios import ScenarioItem
from retrysim.trace import Trace

#: What two instants must be apart to come in their order on a busy machine, in nanoseconds of real time.
_APART_NS = SECOND // 4
#: What they are given where the scale is chosen for them.
_COMFORTABLY_NS = 2 * SECOND


def fastest(item: ScenarioItem, simulated: Trace | None = None) -> int:
    """The largest scale at which the instants of a scenario, as simulated if that was done, are comfortably apart."""
    shortest = min(_waits(item, simulated), default=FASTEST * _COMFORTABLY_NS)
    return max(1, min(FASTEST, shortest // _COMFORTABLY_NS))


def check_scale(item: ScenarioItem, scale: float, simulated: Trace | None = None) -> None:
    """Raises ``InputError`` when instants of the scenario would come too close at that scale."""
    shortest = min(_waits(item, simulated), default=None)
    if scale > 1 and shortest is not None and shortest / scale < _APART_NS:
        raise InputError(
            f"{item.file}: --scale {scale:g} makes its shortest wait, {format_duration(shortest)}, "
            f"{format_duration(int(shortest / scale))} long, and a real worker needs {format_duration(_APART_NS)} to "
            f"tell two instants apart: at most --scale {max(1, shortest // _APART_NS)}"
        )


def _waits(item: ScenarioItem, simulated: Trace | None) -> Iterator[int]:
    """The waits that the scenario names, and those between the instants of its simulated run."""
    spec = item.scenario.spec
    for submission in spec.submit:
        yield from _some(submission.countdown_ns)
        instants = sorted({spec.start_ns, *submission.instants_ns(spec.start_ns)})
        yield from (after - before for before, after in pairwise(instants))
        if submission.expires is not None and not submission.expires.is_instant:
            yield from _some(submission.expires.ns)
    for fault in spec.faults:
        yield from _some(fault.for_ns, 0 if fault.at is None else fault.at.after(spec.start_ns) - spec.start_ns)
    yield from _some(*spec.cost_ns.values())
    if simulated is not None:
        end_ns = simulated.ended.at_ns if simulated.ended is not None else 0  # workers are stopped after it
        instants = sorted({event.at_ns for event in simulated if event.at_ns <= end_ns})
        yield from (after - before for before, after in pairwise(instants))


def _some(*waits: int | None) -> Iterator[int]:
    return (wait for wait in waits if wait)
