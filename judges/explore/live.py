"""Plays the findings of the bank on real workers: what the simulation says of a bug, and what they do.

``python -m judges.explore.live [NAME ...] [--on redis|amqp] [--jobs N]``. Explores each bug, takes the scenario file
that was written for it, and plays this file with ``retrysim run --live``, with the bug and with its twin. Exits 1 where
the harm that the simulation shows does not show with the bug, or shows with the twin. A finding that no live run can
play is listed with the reason. Ties are races on real workers: such a file is played several times without its
``order``, and does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judges.explore.bank.bug import BANK, Bug
from judges.explore.judge import is_true_of_redis, kinds_of
from retrysim.errors import InputError
from retrysim.exploring.exploration import Budget, Finding
from retrysim.exploring.face import explore_scenario
from retrysim.live.playable import why_not
from retrysim.live.rabbit_version import modelled_version
from retrysim.live.resolution import check_scale
from retrysim.live.server import PrivateRedis
from retrysim.outcomes.outcome import Outcome
from retrysim.scenarios import ScenarioItem, items_of, load, loads
from retrysim.simulation.player import play

#: How often the findings that need a tie are played.
RACES = 6
#: The marks: how many findings show the same, and with how many kinds of fault.
PLAYED, KINDS = 10, 5
#: How many times as fast the runs are, if their instants are far enough apart.
SCALES = (20, 15, 10, 8, 6, 4, 2)
COLUMNS = "{:42} {:30} {:22} {:22} {:10} {}"


@dataclass(kw_only=True)
class LiveRun:
    """``retrysim run FILE --live`` in a process of its own; its app's locks are in a Redis of its own."""

    process: subprocess.Popen[bytes]
    out: Path
    store: PrivateRedis | None

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def facts(self) -> list[dict[str, Any]]:
        """The object that it prints; none where the run could not be made."""
        self.process.wait()
        self.end()
        return [json.loads(line) for line in self.out.read_text().splitlines() if line.startswith("{")]

    def end(self) -> None:
        if self.runs:
            self.process.terminate()
            self.process.wait()
        if self.store is not None:
            self.store.stop()


@dataclass(kw_only=True)
class Case:
    """One bug: the finding that was written down, and its live runs."""

    bug: Bug
    finding: Finding
    file: Path
    item: ScenarioItem
    simulated: dict[str, Any]
    scale: float
    reason: str | None = None  # why no live run can play it
    with_bug: list[LiveRun] = field(default_factory=list)
    with_twin: list[LiveRun] = field(default_factory=list)

    @property
    def is_race(self) -> bool:
        return bool(self.finding.trial.order)

    @property
    def fault(self) -> str:
        return " + ".join(strike.kind for strike in self.finding.trial.strikes) or "a tie"

    def harm(self, facts: dict[str, Any]) -> bool:
        """Whether a run broke what the file asks for first: what its finding breaks."""
        (name, *_) = (one.name for one in self.item.expect.invariants)
        return any(
            one["invariant"].partition("(")[0] == name and not one["text"].startswith("vacuous")
            for one in facts["violations"]
        )

    def says(self, facts: list[dict[str, Any]]) -> str:
        if not facts:
            return "no run"
        words = self.bug.harm if self.harm(facts[0]) else "ok"
        return f"{words}, {facts[0]['attempts']} attempts"


# -- finding, and playing ----------------------------------------------------------------------------------------------


def case_of(bug: Bug, folder: Path, broker: str) -> Case | None:
    """The bug's own finding, with the fewest decisions; ``None``: exploring did not come by it."""
    text = bug.scenario(fixed=False).replace("broker: redis", f'broker: "{broker}"', 1)
    budget = Budget(runs={"one fault": None, "two faults": 300}.get(bug.needs, 100), jobs=1)
    items = items_of(loads(text, file=f"{bug.name}.scenario.yaml"))
    exploration = explore_scenario(items, faults=kinds_of(bug), budget=budget, folder=folder / bug.name)
    own = [
        finding
        for finding in exploration.findings.values()
        if (finding.worst, finding.task) == (bug.harm, bug.task) and not is_true_of_redis(finding.cause)
    ]
    best = min(own, key=lambda finding: finding.trial.size, default=None)
    if best is None or best.scenario is None:
        return None
    file = Path(best.scenario)
    item = items_of(load(file))[0]
    reason = why_not(items_of(load(plain(file, file.parent)))[0], "redis" if broker == "redis" else "amqp")
    simulated = play(item)
    twin = play(items_of(load(plain(file, file.parent, twin="_fixed")))[0])
    return Case(
        bug=bug,
        finding=best,
        file=file,
        item=item,
        simulated=simulated.as_json(),
        scale=next(filter(lambda scale: all(fits(one, scale) for one in (simulated, twin)), SCALES), 1),
        reason=reason and str(reason),
    )


def fits(outcome: Outcome, scale: float) -> bool:
    """Whether a live run can tell the instants of a run apart at that scale, and has something to spare."""
    try:
        check_scale(outcome.item, 1.5 * scale, outcome.trace)
    except InputError:
        return False
    return True


def plain(file: Path, folder: Path, *, twin: str = "", env: dict[str, str] | None = None) -> Path:
    """The file without an order, for the app's twin, and with this environment, written into a folder."""
    text = re.sub(r"^order:\n(  .*\n)+", "", file.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^(app: .*)$", rf"\1{twin}", text, count=1, flags=re.MULTILINE)
    text += "".join(f"env: {{{name}: {value!r}}}\n" for name, value in (env or {}).items())
    path = folder / f"live{twin}.scenario.yaml"
    path.write_text(text)
    return path


def start(case: Case, on: str, *, twin: str = "") -> LiveRun:
    folder = Path(tempfile.mkdtemp(dir=case.file.parent))
    store, env = None, {}
    if "redis: true" in case.bug.body:
        store = PrivateRedis(str(folder), 1)
        store.start()
        env = {"BANK_REDIS": store.url}
    file, out = plain(case.file, folder, twin=twin, env=env), folder / "out"
    command = [sys.executable, "-m", "retrysim.cli", "run", str(file), "--live", on, "--json"]
    command += ["--scale", str(case.scale), *(() if case.is_race else ("--compare",))]
    with out.open("wb") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.STDOUT, start_new_session=True)
    return LiveRun(process=process, out=out, store=store)


def wait_for_room(runs: list[LiveRun], most: int) -> None:
    while sum(run.runs for run in runs) >= most:
        time.sleep(0.2)


# -- judging -----------------------------------------------------------------------------------------------------------


def verdict_of(case: Case) -> tuple[str, str, str]:
    """What the live run says, what it says of the twin, and what that comes to."""
    if not case.with_bug:
        return "-", "-", f"not played: {(case.reason or '').rpartition(': ')[2]}"
    live = [facts for run in case.with_bug for facts in run.facts()]
    if case.is_race:
        return f"{case.bug.harm} in {sum(map(case.harm, live))} of {len(live)}", "-", "a race"
    twin = [facts for run in case.with_twin for facts in run.facts()]
    shows = bool(live and twin) and case.harm(live[0]) and not case.harm(twin[0])
    same = "the same run" if live and live[0]["agrees"] else "the same harm"
    return case.says(live), case.says(twin).partition(",")[0], same if shows else "DIFFERS"


def all_cases(bugs: list[Bug], folder: Path, broker: str, on: str, jobs: int) -> Iterator[Case]:
    """Explore the bugs one after the other, while the live runs of those before go on."""
    runs: list[LiveRun] = []
    cases = []
    try:
        for bug in bugs:
            case = case_of(bug, folder, broker)
            print(f"{bug.name:42} {'NOT FOUND' if case is None else case.fault}", file=sys.stderr, flush=True)
            if case is None:
                continue
            cases.append(case)
            times = 0 if case.reason is not None else RACES if case.is_race else 1
            for own, twin in ((case.with_bug, ""), (case.with_twin, "_fixed")):
                for _ in range(times if not (twin and case.is_race) else 0):
                    wait_for_room(runs, jobs)
                    own.append(start(case, on, twin=twin))
                    runs += own[-1:]
        yield from cases
    finally:
        for run in runs:
            run.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--on", choices=("redis", "amqp"), default="redis")
    parser.add_argument("--jobs", type=int, default=3, help="how many live runs there are at a time")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C: what was started is ended
    url = os.environ.get("RETRYSIM_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
    broker = "redis" if options.on == "redis" else f"rabbitmq:{modelled_version(url)}"
    bugs = [bug for name, bug in BANK.items() if name in options.names or not options.names]
    rows = []
    with tempfile.TemporaryDirectory(prefix="retrysim-bank-") as folder:
        for case in all_cases(bugs, Path(folder), broker, options.on, options.jobs):
            if not rows:
                print(COLUMNS.format("bug", "fault", "simulated", "live", "its twin", ""))
            live, twin, verdict = verdict_of(case)
            rows.append((case.fault, verdict))
            simulated = case.says([case.simulated])
            print(COLUMNS.format(case.bug.name, case.fault, simulated, live, twin, verdict), flush=True)
    sys.exit(0 if summary(rows, whole=not options.names) else 1)


def summary(rows: list[tuple[str, str]], *, whole: bool) -> bool:
    """Print how many show the same, and with how many kinds of fault; whether the marks are met."""
    same = [fault for fault, verdict in rows if verdict.startswith("the same")]
    kinds = {kind for fault in same for kind in fault.split(" + ")}
    differ = sum(verdict == "DIFFERS" for _, verdict in rows)
    print(f"{len(same)} of {len(rows)} show the same on real workers, {len(kinds)} kinds of fault; {differ} differ")
    return not differ and (not whole or (len(same) >= PLAYED and len(kinds) >= KINDS))


if __name__ == "__main__":
    main()
