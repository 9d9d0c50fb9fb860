"""How far a run is, on a terminal: a line of virtual time, settled tasks and attempts a second, renewed in real time.

A thread looks at the trace ten times a second, so that watching a run adds no cost to it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from retrysim.printable import printable_line

if TYPE_CHECKING:
    from retrysim.trace import Trace

#: Seconds between two looks, and before the first line: a short run shows nothing.
_EVERY, _PATIENCE = 0.1, 1.0
_REAL = {"perf_counter": time.perf_counter}  # in a container: a simulation replaces a saved global
_ERASE = "\r\x1b[K"


class Progress:
    """``with Progress(sys.stderr) as progress:``; ``progress.watch`` receives each trace that begins."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._trace: Trace | None = None
        self._began = _REAL["perf_counter"]()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="retrysim progress", daemon=True)
        self._tally: Tally | None = None
        self._shown = False
        self._label = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self.clear()

    def about(self, name: str, number: int, count: int) -> None:
        """What is played from here on, and how many there are."""
        self._label = printable_line(f"{name} ({number} of {count}): ")

    def watch(self, trace: Trace) -> None:
        """From here on, tell of this run."""
        self._began = _REAL["perf_counter"]()
        self._trace = trace

    def clear(self) -> None:
        """Take the line away, for something that stays to be printed; the run it told of is over."""
        self._trace = None
        if self._shown:
            self._shown = False
            self._out.write(_ERASE)
            self._out.flush()

    def _tell(self) -> None:
        while not self._done.wait(_EVERY):
            trace, seconds = self._trace, _REAL["perf_counter"]() - self._began
            if trace is not None and seconds >= _PATIENCE:
                self._show(trace, seconds)

    def _show(self, trace: Trace, seconds: float) -> None:
        if self._tally is None or self._tally.trace is not trace:
            self._tally = Tally(trace)
        self._shown = True
        self._out.write(_ERASE + self._label + self._tally.line(seconds))
        self._out.flush()


class Count:
    """Which items of a run in several processes are played, and how many have ended.

    It is renewed when one begins or ends: a thread that does so would make forking unsafe.
    """

    def __init__(self, out: TextIO, total: int) -> None:
        self._out = out
        self._total = total
        self._done = 0
        self._playing: dict[int, str] = {}

    def begin(self, number: int, name: str) -> None:
        """An item is played from here on."""
        self._playing[number] = printable_line(name)
        self._show()

    def end(self, number: int, done: int) -> None:
        """An item has ended; with those that are skipped, so many are ``done``."""
        del self._playing[number]
        self._done = done
        self._show()

    def _show(self) -> None:
        first, *others = [*self._playing.values(), ""]
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        playing = f"; playing {first}{more}" if first else ""
        self._out.write(f"{_ERASE}{self._done} of {self._total} items played{playing}")
        self._out.flush()

    def clear(self) -> None:
        self._out.write(_ERASE)
        self._out.flush()


class Tally:
    """What was counted of a trace that grows; each look counts only what is new."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._seen = 0
        self._attempts = 0
        self._settled: set[str] = set()
        self._now_ns = trace.start_ns

    def line(self, seconds: float) -> str:
        """What to show after so many seconds of real time."""
        from retrysim.clock import time_of_day
        from retrysim.reports.words import about, count_of, grouped

        self._count()
        now_ns = self._now_ns - self._now_ns % 1_000_000_000
        text = f"{time_of_day(now_ns)} (+{about(now_ns - self.trace.start_ns)})"
        settled = f"{count_of(len(self._settled), 'task')} settled"
        return f"{text}, {settled}, {grouped(round(self._attempts / seconds))} attempts/s"

    def _count(self) -> None:
        from retrysim.trace import TaskStarted
        from retrysim.trace.events import TaskEvent
        from retrysim.trace.history import SETTLED, STATES

        for event in self.trace.after(self._seen):
            self._seen += 1
            self._now_ns = event.at_ns
            self._attempts += isinstance(event, TaskStarted)
            if isinstance(event, TaskEvent) and STATES.get(type(event)) in SETTLED:
                self._settled.add(event.task_id)


def wants_progress() -> bool:
    """Whether somebody is looking: standard error is a terminal that can take a line back."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
