"""Says of a simulation in which nothing is left that could happen what waits there, and for whom."""

from __future__ import annotations

from collections.abc import Iterable

from retrysim.errors import Deadlock
from retrysim.kernel import Environment
from retrysim.patches import HeldLock, standing_of


def deadlock(environment: Environment, dead: Iterable[HeldLock]) -> Deadlock:
    """The error for tasks that wait for what can never come; ``dead`` are the locks of those that were killed."""
    return Deadlock("nothing is left that could happen, but" + _who_waits(environment, dead))


def explanation(environment: Environment, dead: Iterable[HeldLock]) -> str:
    """What to add to the error of a test that waits in vain; ``""`` when no task waits."""
    return ":" + _who_waits(environment, dead) if environment.blocked() else ""


def _who_waits(environment: Environment, dead: Iterable[HeldLock]) -> str:
    lines = []
    for process in environment.blocked():
        for waiting in (process, *environment.blocked_threads_of(process)):
            lines += ["  " + line for line in standing_of(waiting)]
    held = [f"  {held.what} is held by {held.holder.name}" for held in dead]
    return "\n" + "\n".join(lines + (["Killed with locks:", *held] if held else []))
