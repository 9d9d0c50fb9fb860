"""Runs the bank: CPU seconds to the first detection of each bug, what shrinking leaves, and false alarms on the twins.

``python -m judges.explore.judge [NAME ...] [--quick] [--ablation NAME]``. Exits 1 below the marks of the issue.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from judges.explore.bank.bug import BANK, Bug
from retrysim.errors import InputError
from retrysim.exploring.exploration import Budget, Explorer, Interrupted, kinds_named
from retrysim.exploring.face import explore_scenario
from retrysim.exploring.further import Further, search_further
from retrysim.exploring.kinds import KINDS
from retrysim.exploring.order import single_strikes
from retrysim.exploring.shared_start import runner_of
from retrysim.exploring.subject import subject_of
from retrysim.exploring.surroundings import surroundings_of
from retrysim.exploring.trial import Trial
from retrysim.exploring.warm import warm_up
from retrysim.scenarios import items_of, loads

for _module in ("acks", "calls", "locks"):
    import_module(f"judges.explore.bank.{_module}")

#: CPU seconds after which a bug counts as never found.
LIMIT = 60.0
SEEDS = 10
#: With a bug of our own nothing is to be found: less will do.
ABLATED_LIMIT = 3.0
ablated = False
#: What is true of any app on a real Redis, and no alarm: the window in which BRPOP has answered and nobody has read.
TRUE_OF_REDIS = ("Redis had given its message to a worker", "its message to queue 'celery' is gone")


def is_true_of_redis(cause: str) -> bool:
    return any(text in cause for text in TRUE_OF_REDIS)


def cpu() -> float:
    """CPU seconds of this process and its children: those that have ended, and those that hold a started simulation."""
    ended = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return ended + sum(map(_cpu_of, children))


def _cpu_of(pid: str) -> float:
    """Of a process that runs, and of its own children that have ended (``proc_pid_stat(5)``, fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@dataclass(kw_only=True)
class Verdict:
    """What one bug came to."""

    bug: Bug
    seconds: list[float | None] = field(default_factory=list)  # for each seed, None: never
    random: list[float | None] = field(default_factory=list)
    singles: float | None = None
    decisions: int | None = None
    alarms: list[str] = field(default_factory=list)
    runs_of_twin: int = 0

    @property
    def median(self) -> float | None:
        found = [second if second is not None else LIMIT * 2 for second in self.seconds]
        middle = statistics.median(found) if found else LIMIT * 2
        return None if middle > LIMIT else middle


def kinds_of(bug: Bug) -> tuple[str, ...]:
    return bug.kinds or tuple(name for name in KINDS if name != "broker_lost_data")


def explorer_of(bug: Bug, *, fixed: bool, seed: int, runs: int | None = None) -> Explorer:
    items = items_of(loads(bug.scenario(fixed=fixed), file=f"{bug.name}.scenario.yaml"))
    subject = subject_of(items, None, None)
    around = surroundings_of(subject)
    budget = Budget(runs=runs or 100_000, jobs=1, seed=seed)
    return Explorer(runner_of(subject, jobs=1), around, kinds=kinds_named(kinds_of(bug)), budget=budget)


def shows(bug: Bug, explorer: Explorer) -> bool:
    return any(
        finding.worst == bug.harm and finding.task == bug.task and not is_true_of_redis(finding.cause)
        for finding in explorer.exploration.findings.values()
    )


def seconds_to_find(bug: Bug, seed: int, how: str) -> float | None:
    """CPU seconds until the bug shows, from the run without a fault on; ``None``: never within the limit."""
    try:
        return _seconds_to_find(bug, seed, how)
    except InputError:  # with an ablation, there may be no point left
        return None


def _seconds_to_find(bug: Bug, seed: int, how: str) -> float | None:
    began = cpu()
    explorer = explorer_of(bug, fixed=False, seed=seed)
    explorer.round_size = 4
    limit = ABLATED_LIMIT if ablated else LIMIT
    explorer.enough = lambda _exploration: shows(bug, explorer) or cpu() - began > limit
    further = Further(explorer, str(seed))
    try:
        if how == "random":
            _random(explorer, further)
        else:
            explorer.single_faults(learn=further.learn)
            if how == "whole":
                search_further(explorer, further)
    except Interrupted:
        raise KeyboardInterrupt from None
    took = cpu() - began
    return took if shows(bug, explorer) and took <= LIMIT else None


def _random(explorer: Explorer, further: Further) -> None:
    """The baseline: any kind at any point, or any order, drawn anew for each run."""
    strikes = single_strikes(explorer.exploration.points, explorer.exploration.around, explorer.kinds)
    while not explorer.is_used_up:
        trials = []
        for _ in range(4):
            chosen = further.rng.sample(strikes, min(len(strikes), further.rng.choice((0, 1, 1, 2))))
            trials.append(Trial(strikes=tuple(chosen), draw=f"uniform/{further.rng.randrange(1 << 30)}"))
        explorer.run_all(trials)


def decisions_left(bug: Bug) -> int | None:
    """How many decisions shrinking leaves of the bug's own finding."""
    items = items_of(loads(bug.scenario(fixed=False), file=f"{bug.name}.scenario.yaml"))
    runs = None if bug.needs == "one fault" else 300
    with tempfile.TemporaryDirectory() as folder:
        exploration = explore_scenario(
            items, faults=kinds_of(bug), budget=Budget(runs=runs, jobs=1), folder=Path(folder)
        )
    left = [
        len(finding.trial.strikes) + len(finding.trial.order)
        for finding in exploration.findings.values()
        if finding.worst == bug.harm and finding.task == bug.task and not is_true_of_redis(finding.cause)
    ]
    return min(left, default=None)


def alarms_on_twin(bug: Bug, runs: int) -> tuple[list[str], int]:
    """What is found in the fixed twin of the harm that the bug did."""
    explorer = explorer_of(bug, fixed=True, seed=0, runs=runs)
    further = Further(explorer, "0")
    explorer.single_faults(learn=further.learn)
    search_further(explorer, further)
    alarms = [
        f"{finding.task} {finding.worst}: {finding.cause} ({finding.trial.kind})"
        for finding in explorer.exploration.findings.values()
        if finding.worst == bug.harm and finding.task == bug.task and not is_true_of_redis(finding.cause)
    ]
    return alarms, explorer.exploration.runs


def judged(bug: Bug, *, quick: bool) -> Verdict:
    verdict = Verdict(bug=bug)
    warm_up("redis")
    for seed in range(1 if quick or bug.needs == "one fault" else SEEDS):
        verdict.seconds.append(seconds_to_find(bug, seed, "whole"))
    if not quick:
        for seed in range(3):
            verdict.random.append(seconds_to_find(bug, seed, "random"))
        verdict.singles = seconds_to_find(bug, 0, "singles")
    verdict.decisions = decisions_left(bug) if verdict.median is not None else None
    if not ablated:
        verdict.alarms, verdict.runs_of_twin = alarms_on_twin(bug, 40 if quick else 150)
    return verdict


def told(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"


def middle(values: list[float | None]) -> float | None:
    found = statistics.median([value if value is not None else LIMIT * 2 for value in values]) if values else LIMIT * 2
    return None if found > LIMIT else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true", help="one seed, no baselines")
    parser.add_argument(
        "--ablation", choices=("blind", "deaf"), help="put a known bug into retrysim: the judge must fail"
    )
    options = parser.parse_args()
    ablate(options.ablation)
    print(f"{'bug':44} {'needs':10} {'CPU s':>6} {'random':>6} {'single':>6} {'left':>4} {'alarms':>6}")
    verdicts = []
    for name, bug in BANK.items():
        if options.names and name not in options.names:
            continue
        verdict = judged(bug, quick=options.quick)
        verdicts.append(verdict)
        random, single = ("-", "-") if options.quick else (told(middle(verdict.random)), told(verdict.singles))
        left = "-" if verdict.decisions is None else verdict.decisions
        print(
            f"{name:44} {bug.needs:10} {told(verdict.median):>6} {random:>6} {single:>6} {left:>4} "
            f"{len(verdict.alarms):>6}",
            flush=True,
        )
        for alarm in verdict.alarms:
            print(f"    false alarm on the twin: {alarm}", flush=True)
    sys.exit(0 if summary(verdicts, quick=options.quick) else 1)


def summary(verdicts: list[Verdict], *, quick: bool) -> bool:
    """Print the figures beside their marks; whether all are met."""
    found = [verdict for verdict in verdicts if verdict.median is not None]
    fast = [verdict for verdict in found if (verdict.median or 0) <= 2.0]
    small = [verdict for verdict in found if verdict.decisions is not None and verdict.decisions <= 2]
    alarms = sum(len(verdict.alarms) for verdict in verdicts)
    marks = [
        (f"{len(found)} of {len(verdicts)} found", len(found) >= 0.9 * len(verdicts)),
        (f"{alarms} false alarms on {len(verdicts)} twins", alarms == 0),
        (f"{len(fast)} of {len(verdicts)} within 2 CPU seconds", len(fast) >= 0.5 * len(verdicts)),
        (f"{len(small)} of {len(found)} with at most 2 decisions left", len(small) >= 0.9 * len(found)),
    ]
    for text, good in marks:
        print(f"{'ok  ' if good else 'MISS'} {text}")
    return all(good for _, good in marks)


def ablate(which: str | None) -> None:
    """Known bugs of our own: an oracle that sees no loss, a search that tries no point after a body has begun."""
    global ablated
    ablated = which is not None
    if which == "blind":
        module = import_module("retrysim.exploring.exploration")
        real = module.harms_of
        module.harms_of = lambda *args, **more: [
            harm for harm in real(*args, **more) if harm.worst not in ("lost", "failed")
        ]
    elif which == "deaf":
        module = import_module("retrysim.exploring.exploration")
        original = module.single_strikes
        module.single_strikes = lambda points, *rest: original([p for p in points if not p.running], *rest)


if __name__ == "__main__":
    main()
