"""What a recorder needs to know in a process of a live run: the time, and whom to tell of its own errors."""

from __future__ import annotations

import sys
from collections.abc import Callable

from retrysim.clock import WallClock
from retrysim.kernel import Limits


class ProcessSurroundings:
    """The clock is the process' own; the limits are the stage's affair."""

    limits = Limits(attempts_per_task=sys.maxsize)
    #: a worker keeps its log itself: what it logs from a signal handler could not be told in the middle of a message
    owns_thread = False
    current = None

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    @property
    def clock(self) -> ProcessSurroundings:
        return self

    @property
    def ns(self) -> int:
        return WallClock().now_ns()

    def fail(self, error: BaseException) -> None:
        """The trace has a hole: the run must not go on as if it had none."""
        self._report(f"{type(error).__name__}: {error}")
