"""Plays the findings of the bank on real workers: what the simulation says of a bug, and what they do.

``python -m judges.explore.live [NAME ...] [--on redis|amqp] [--jobs N]``. Explores each bug, takes the scenario file
that was written for it, and plays this file on a real broker, with the bug and with its twin. Exits 1 where the harm
that the simulation shows does not show with the bug, or shows with the twin. A finding that no live run can play is
listed with the reason. Ties are races on real workers: such a file is played several times without its ``order``, and
does not count.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from judges.explore.bank.bug import BANK, Bug
from judges.explore.judge import is_true_of_redis, kinds_of
from retrysim.errors import RetrysimError
from retrysim.exploring.exploration import Budget, Finding
from retrysim.exploring.face import explore_scenario
from retrysim.live.playable import why_not
from retrysim.live.player import LivePlayer, Venue, tolerance_ns
from retrysim.live.rabbit_version import modelled_version
from retrysim.live.resolution import fastest
from retrysim.live.server import PrivateRedis
from retrysim.outcomes.comparison import agree, compare
from retrysim.outcomes.outcome import Outcome
from retrysim.scenarios import ScenarioItem, items_of, load, loads
from retrysim.simulation.player import play

REDIS = os.environ.get("RETRYSIM_REDIS_URL", "redis://127.0.0.1:6379/0")
AMQP = os.environ.get("RETRYSIM_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
#: How often the findings that need a tie are played.
RACES = 6
#: The marks: how many findings are to be played, of how many kinds of fault.
PLAYED, KINDS = 10, 5


@dataclass(frozen=True, kw_only=True)
class Found:
    """What exploring wrote down of a bug."""

    bug: Bug
    finding: Finding
    file: Path
    broker: str
    simulated: Outcome  # of the file

    @property
    def fault(self) -> str:
        return " + ".join(strike.kind for strike in self.finding.trial.strikes) or "a tie"

    def item(self, folder: Path, *, fixed: bool, env: dict[str, str]) -> ScenarioItem:
        """The file as a live run plays it: with the bug or its twin, without an order, and with this environment."""
        text = re.sub(r"^order:\n(  .*\n)+", "", self.file.read_text(), flags=re.MULTILINE)
        if fixed:
            text = text.replace(f":{self.bug.name}\n", f":{self.bug.name}_fixed\n", 1)
        for name, value in env.items():
            text += f"env: {{{name}: {value!r}}}\n"
        path = folder / f"{self.bug.name}{'_fixed' * fixed}.scenario.yaml"
        path.write_text(text)
        return item_of(path, self.broker)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What came of one finding."""

    found: Found
    simulated: str
    live: str
    twin: str
    verdict: str  # "same", "same run", "DIFFERS", "race", "not played"

    def line(self) -> str:
        bug, fault = self.found.bug.name, self.found.fault
        return f"{bug:42} {fault:30} {self.simulated:28} {self.live:28} {self.twin:24} {self.verdict}"


def item_of(path: Path, broker: str) -> ScenarioItem:
    return replace(items_of(load(path))[0], broker=broker)


def found_of(bug: Bug, folder: Path, broker: str) -> Found | None:
    """The bug's own finding, with the fewest decisions; ``None``: exploring did not come by it."""
    text = bug.scenario(fixed=False).replace("broker: redis", f"broker: {broker}", 1)
    items = items_of(loads(text, file=f"{bug.name}.scenario.yaml"))
    budget = Budget(runs=None if bug.needs == "one fault" else 300, jobs=1)
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
    return Found(bug=bug, finding=best, file=file, broker=broker, simulated=play(item_of(file, broker)))


# -- one finding -------------------------------------------------------------------------------------------------------


def harm_in(outcome: Outcome, bug: Bug) -> str | None:
    """What the run did to the bug's task, as the file's own expectation finds it; ``None``: nothing.

    The first invariant of the file is the one that its finding breaks.
    """
    name = outcome.item.expect.invariants[0].name
    for finding in outcome.findings:
        if finding.invariant.partition("(")[0] == name:
            for problem in finding.problems:
                task = outcome.trace.tasks.get(problem.task_id or "")
                if task is None or task.name == bug.task:
                    return bug.harm if task is None else f"{bug.harm} ({len(task.attempts)}x, {task.state})"
    return None


def says(outcome: Outcome, bug: Bug) -> str:
    trouble = [f.invariant for f in outcome.findings if f.invariant in ("LiveError", "Runaway", "every_fault_happens")]
    return harm_in(outcome, bug) or " ".join(trouble) or "ok"


@contextmanager
def store_of(bug: Bug, folder: Path) -> Iterator[dict[str, str]]:
    """A Redis of the run's own for the app's locks: the environment that names it; empty for an app without."""
    if "redis: true" not in bug.body:
        yield {}
        return
    with tempfile.TemporaryDirectory(dir=folder) as own:
        server = PrivateRedis(own, 1)
        server.start()
        try:
            yield {"BANK_REDIS": server.url}
        finally:
            server.stop()


def played_live(found: Found, player: LivePlayer, folder: Path, *, fixed: bool) -> tuple[Outcome, bool]:
    """The outcome on real workers, and whether it is that of the simulation in all that is compared."""
    with store_of(found.bug, folder) as env:
        item = found.item(folder, fixed=fixed, env=env)
        scale = fastest(item, found.simulated.trace)
        live = player.play(item, scale=scale)
    return live, agree(compare(found.simulated, live, tolerance_ns(item, scale), scale))


def compared(found: Found, player: LivePlayer, folder: Path) -> Compared:
    """Play a finding live, with the bug and with its twin."""
    bug = found.bug
    own = Path(tempfile.mkdtemp(dir=folder))
    made = partial(Compared, found=found, simulated=says(found.simulated, bug))
    reason = why_not(found.item(own, fixed=False, env={}), "redis" if found.broker == "redis" else "amqp")
    if reason is not None:
        return made(live="-", twin="-", verdict=f"not played: {str(reason).rpartition(': ')[2]}")
    if found.finding.trial.order:
        shown = sum(harm_in(played_live(found, player, own, fixed=False)[0], bug) is not None for _ in range(RACES))
        return made(live=f"{bug.harm} in {shown} of {RACES}", twin="-", verdict="a race")
    live, same_run = played_live(found, player, own, fixed=False)
    twin, _ = played_live(found, player, own, fixed=True)
    shows = harm_in(live, bug) is not None and harm_in(twin, bug) is None
    verdict = ("same run" if same_run else "same harm") if shows else "DIFFERS"
    return made(live=says(live, bug), twin=says(twin, bug), verdict=verdict)


def tried(found: Found, player: LivePlayer, folder: Path) -> Compared:
    try:
        return compared(found, player, folder)
    except RetrysimError as error:
        return Compared(found=found, simulated="", live=f"{type(error).__name__}: {error}", twin="", verdict="DIFFERS")


# -- all of them -------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--on", choices=("redis", "amqp"), default="redis")
    parser.add_argument("--jobs", type=int, default=2, help="how many findings are played at a time")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C: what was started is ended
    url = {"redis": REDIS, "amqp": AMQP}[options.on]
    broker = "redis" if options.on == "redis" else f"rabbitmq:{modelled_version(url)}"
    bugs = [bug for name, bug in BANK.items() if name in options.names or not options.names]
    with tempfile.TemporaryDirectory(prefix="retrysim-bank-") as folder:
        results = list(all_compared(bugs, Path(folder), Venue(url=url, results_url=REDIS), broker, options.jobs))
    sys.exit(0 if summary(results, whole=not options.names) else 1)


def all_compared(bugs: list[Bug], folder: Path, venue: Venue, broker: str, jobs: int) -> Iterator[Compared]:
    found = []
    for bug in bugs:
        one = found_of(bug, folder, broker)
        print(f"{bug.name:42} {'not found' if one is None else one.fault}", file=sys.stderr, flush=True)
        found += [one] if one is not None else []
    print(f"{'bug':42} {'fault':30} {'simulated':28} {'live':28} {'live, twin':24} verdict")
    with LivePlayer(venue) as player, ThreadPoolExecutor(jobs) as pool:
        for pending in [pool.submit(tried, one, player, folder) for one in found]:
            result = pending.result()
            print(result.line(), flush=True)
            yield result


def summary(results: list[Compared], *, whole: bool) -> bool:
    played = [one for one in results if one.verdict.startswith("same")]
    kinds = {kind for one in played for kind in one.found.fault.split(" + ")}
    differ = [one.found.bug.name for one in results if one.verdict == "DIFFERS"]
    print(f"{len(played)} of {len(results)} show the same on real workers, with {len(kinds)} kinds of fault")
    print(f"{len(differ)} differ" + (f": {', '.join(differ)}" if differ else ""))
    return not differ and (not whole or (len(played) >= PLAYED and len(kinds) >= KINDS))


if __name__ == "__main__":
    main()
