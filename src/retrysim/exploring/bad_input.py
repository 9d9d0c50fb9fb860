"""What keeps a scenario from being explored: it fails anyway, has no point, or is not the same twice."""

from __future__ import annotations

from itertools import zip_longest

from retrysim.errors import InputError
from retrysim.exploring.points import Point
from retrysim.exploring.trial import TrialResult

_FAILS = "the scenario fails without any fault, so nothing was explored"


def check_base(first: TrialResult, second: TrialResult) -> tuple[TrialResult, list[Point]]:
    """The run without a fault, and its points. Raises ``InputError`` for a run that shows nothing."""
    for result in (first, second):
        if result.error is not None or result.stuck is not None:
            raise InputError(f"{_FAILS}: {result.error or result.stuck}")
        if result.unapplied is not None:
            raise InputError(f"{_FAILS}: {result.unapplied}")
    if first.digest != second.digest:
        raise InputError(_difference(first.trace, second.trace))
    if first.unmet:
        raise InputError(f"{_FAILS}:\n  {first.unmet}")
    points = [Point(**point) for point in first.points]
    if not points:
        raise InputError("the run has no point at which anything could break: no task was sent")
    return first, points


def _difference(one: str, other: str) -> str:
    pairs = zip_longest(one.splitlines(), other.splitlines(), fillvalue="(the run has ended)")
    number, (first, second) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
    return (
        f"the app is not deterministic: two runs with the same seed differ from event {number} on:\n"
        f"  {first}\n  {second}\n"
        "Look for what the app reads from outside of the simulation: files, os.urandom, the order of a set, "
        "rows that an earlier run left in a database (let setup: empty it)."
    )
