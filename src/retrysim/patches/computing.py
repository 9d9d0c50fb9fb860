"""Ends a task that computes forever: virtual time stands still meanwhile, so no limit of the run would be crossed.

What a step has cost is measured in processor time, where the system tells that: a loaded machine, a debugger that waits
for its user and a real call that was allowed cost none. A step that takes no processor time may take ten times as long.
"""

from __future__ import annotations

import time
from contextlib import suppress
from types import FrameType

from retrysim.errors import Runaway
from retrysim.kernel import Condition, Environment, Process
from retrysim.kernel.limits import HOW_TO_RAISE
from retrysim.patches.places import outwards, site_in

#: A task with a time limit computes for so many real seconds at least before the limit takes it for endless.
_SHORTEST_S = 3.0
#: How much longer than it may compute a step may stand still.
_IDLE_FACTOR = 10
_DEBUGGERS = ("bdb", "pdb", "pydevd", "IPython")


class Computing:
    """What the step of the simulation that is under way has cost, looked at from another thread each ``period_s``."""

    def __init__(self, environment: Environment, ident: int, period_s: float) -> None:
        self._environment: Environment | None = environment
        self._ident = ident
        self._period_s = period_s
        self._step: object = None
        self._began_s = self._idle_s = 0.0

    def look(self) -> None:
        """Measure; called by the thread that watches."""
        environment = self._environment
        if environment is None:
            return
        step = (environment.meter.steps, environment.running, environment.is_driven)
        if step != self._step or not environment.is_driven:
            self._step, self._began_s, self._idle_s = step, self._processor_s(), 0.0
        else:
            self._idle_s += self._period_s

    @property
    def is_endless(self) -> bool:
        """Whether the step has taken longer than it may."""
        environment = self._environment
        if environment is None:
            return False
        allowed_s = float(environment.limits.real_seconds)
        running = environment.running
        if running is not None and running.time_limit_s is not None:
            allowed_s = min(allowed_s, max(running.time_limit_s, _SHORTEST_S))
        return self._idle_s > 0 and (
            self._processor_s() - self._began_s >= allowed_s or self._idle_s >= allowed_s * _IDLE_FACTOR
        )

    def forget(self) -> None:
        """The simulation is over; the thread that looks ends a little later, and must not keep it."""
        self._environment = None

    def _processor_s(self) -> float:
        with suppress(AttributeError, OSError):
            return time.clock_gettime(time.pthread_getcpuclockid(self._ident))
        return 0.0

    # -- in the handler of a signal, on the stack of what computes -----------------------------------------------------

    def end(self, frame: FrameType | None) -> None:
        """Let virtual time go on, for the time limit to strike; end the run where there is none."""
        environment = self._environment
        if environment is None:
            return
        process, frames = environment.running, outwards(frame)
        if any(str(each.f_globals.get("__name__")).startswith(_DEBUGGERS) for each in frames):
            return
        if process is not None and process.time_limit_s is not None and environment.current is process:
            environment.wait(Condition("the end of what it computes"))
            return
        environment.give_up(
            Runaway(
                f"{_name(process)} {self._what(environment.limits.real_seconds)}, and virtual time stands "
                f"still meanwhile\n  at {site_in(frames)}\n" + HOW_TO_RAISE.format(name="real_seconds")
            )
        )

    def _what(self, limit_s: float) -> str:
        if 0 < self._processor_s() < self._began_s + limit_s:
            return f"waits for {limit_s * _IDLE_FACTOR:g} s of real time, for a file, a pipe or a socket"
        return f"has computed for {limit_s:g} s of real time without waiting"


def _name(process: Process | None) -> str:
    if process is None:
        return "the test, or a condition of its own,"
    return process.thread.tasks[-1] if process.thread.tasks else process.name
