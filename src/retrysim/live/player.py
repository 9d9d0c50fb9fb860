"""Plays one item of a scenario on a real broker, and judges it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from retrysim.durations import SECOND
from retrysim.errors import AppError, FakeError, InputError, LiveError, RetrysimError, ScenarioError
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.live.faketime import clock_variables, forget_clock
from retrysim.live.order import CAME, StageOrder, dump
from retrysim.outcomes.approximate import judge_approximately
from retrysim.outcomes.expectations import Run
from retrysim.outcomes.outcome import Outcome
from retrysim.playing import trace_file
from retrysim.scenarios import ScenarioItem
from retrysim.trace import load_ndjson

#: How long a stage may take to tidy up, in seconds, before it is killed.
_TIDYING = 20
#: How late a real machine with little to spare may be, in real seconds: on the whole, for each task, and for a worker
#: that is started again.
_LATE, _LATE_FOR_EACH, _LATE_FOR_A_START = 4.0, 0.04, 6.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """Where runs take place: the broker, and a Redis for the results of apps on another broker."""

    url: str
    results_url: str


def tolerance_ns(item: ScenarioItem, scale: float) -> int:
    """How far an instant of a run may be from where the scenario has it."""
    spec = item.scenario.spec
    tasks = sum(submission.times for submission in spec.submit)
    starts = sum(fault.for_ns is not None or fault.verb == "restart" for fault in spec.faults)
    return int((_LATE + tasks * _LATE_FOR_EACH + starts * _LATE_FOR_A_START) * scale * SECOND)


class LivePlayer:
    """Plays items, also several side by side from threads; leaving the ``with`` block ends those that still run.

    ``seed`` is the one that items were made with in place of the file's.
    """

    def __init__(self, venue: Venue, *, seed: int | None = None) -> None:
        self._venue = venue
        self._seed = seed
        self._stages: set[subprocess.Popen[str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stage in tuple(self._stages):
            end_stage(stage)

    def play(
        self, item: ScenarioItem, *, scale: float = 1, trace_dir: Path | None = None, say: Say = lambda _: None
    ) -> Outcome:
        """Play an item and judge it: instants within the tolerance, everything else exactly.

        ``say`` receives what the run waits for. Raises ``InputError`` for what cannot be played so, ``LiveError`` when
        a worker does not come up.
        """
        began = time.perf_counter_ns()
        clock = clock_variables(scale, item.scenario.spec.start_ns)
        with tempfile.TemporaryDirectory(prefix="retrysim-") as folder:
            came = self._run_stage(self._order(item, scale, folder), clock, say)
        run = Run(
            trace=load_ndjson(came["trace"]),
            end_ns=came["end_ns"],
            results=came["results"],
            submitted=came["submitted"],
        )
        outcome = Outcome(
            item=item,
            trace=run.trace,
            notes=came["notes"],
            findings=_findings(item, run, came, tolerance_ns(item, scale)),
            elapsed_ns=run.end_ns - run.trace.start_ns,
            wall_ns=time.perf_counter_ns() - began,
        )
        if trace_dir is not None:
            trace_file(item, trace_dir).write_text(outcome.ndjson, encoding="utf-8")
        return outcome

    def _order(self, item: ScenarioItem, scale: float, folder: str) -> StageOrder:
        return StageOrder(
            file=str(item.file),
            item=item.id,
            seed=self._seed,
            url=self._venue.url,
            results_url=self._venue.results_url,
            scale=scale,
            player=os.getpid(),
            folder=folder,
        )

    def _run_stage(self, order: StageOrder, clock: dict[str, str], say: Say) -> dict[str, Any]:
        """The outcome of a run, which a process of its own plays; it cleans up even if we are interrupted."""
        stage = subprocess.Popen(
            [sys.executable, "-m", "retrysim.live.stage", dump(order)],
            env={**os.environ, **clock},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal is for us; the stage is told by us
        )
        self._stages.add(stage)
        try:
            return _came(order, _listen(stage, say))
        finally:
            end_stage(stage)
            self._stages.discard(stage)
            forget_clock(stage.pid)


def _findings(item: ScenarioItem, run: Run, came: dict[str, Any], within_ns: int) -> list[BrokenInvariant]:
    failure = [BrokenInvariant(invariant=kind, problems=(Problem(text=text),)) for kind, text in came["trouble"]]
    idle_faults = tuple(Problem(text=text) for text in came["faults"])
    if failure:
        return failure
    findings = [BrokenInvariant(invariant="every_fault_happens", problems=idle_faults)] if idle_faults else []
    return findings + judge_approximately(item, run, within_ns)


# -- the stage ---------------------------------------------------------------------------------------------------------


def _listen(stage: subprocess.Popen[str], say: Say) -> list[str]:
    """Pass on what the stage says until it ends; the lines that are not its own. Raises the error that ended it."""
    assert stage.stdout is not None
    others: list[str] = []
    for line in stage.stdout:
        try:
            said = json.loads(line)
            said = said if isinstance(said, dict) else {}
        except ValueError:
            said = {}
        if "waiting" in said:
            say(said["waiting"])
        elif "error" in said:
            raise _ERRORS.get(said["error"], LiveError)(said["text"])
        else:
            others.append(line)  # the user's app, or a traceback of the stage
    return others


_ERRORS: Mapping[str, type[RetrysimError]] = MappingProxyType(
    {kind.__name__: kind for kind in (InputError, ScenarioError, AppError, FakeError, LiveError)}
)


def _came(order: StageOrder, others: list[str]) -> dict[str, Any]:
    file = Path(order.folder, CAME)
    if not file.exists():
        raise LiveError("the stage of the run ended before the run did:\n" + "".join(others[-40:]).strip())
    came: dict[str, Any] = json.loads(file.read_text())
    return came


def end_stage(stage: subprocess.Popen[str]) -> None:
    """Let it tidy up if it still runs, and be sure that it ended."""
    if stage.poll() is None:
        stage.send_signal(signal.SIGTERM)
    try:
        stage.wait(_TIDYING)
    except subprocess.TimeoutExpired:
        os.killpg(stage.pid, signal.SIGKILL)
        stage.wait()
