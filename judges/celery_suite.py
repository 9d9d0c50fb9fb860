"""Celery's own integration suite as a judge: `t/integration` of Celery 5.7.0 through `pytest --retrysim-worker`.

The suite is fetched from the package registry when this runs; nothing of it is kept here. No Redis server is needed:
the URLs name a port on which nobody listens. Run it in an environment that has what the suite imports::

    pip install -e . -r judges/celery_suite/requirements.txt
    python judges/celery_suite.py [--seed N] [--durations] [--keep FOLDER]

An item that fails runs once more, in a pytest session without those before it: some depend on what others left behind,
with a real worker too. Exit code 1 when an item fails that is not on the closed list.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent / "celery_suite"
VERSION = "5.7.0"
#: Nobody listens on that port. The log level is that of Celery's own CI.
ENVIRONMENT = {
    "REDIS_PORT": "1025",
    "TEST_BROKER": "redis://localhost:1025",
    "TEST_BACKEND": "redis://localhost:1025",
    "WORKER_LOGLEVEL": "INFO",
}
#: An item that takes longer in reality has its virtual duration compared.
LONG_S = 2.2


@dataclass(slots=True)
class Item:
    """What became of one item: its outcomes as pytest reports them, the duration of its call phase in virtual time."""

    outcomes: list[str] = field(default_factory=list)
    virtual_s: float | None = None
    skipped_because: str | None = None

    @property
    def outcome(self) -> str:
        """The last attempt counts: the suite reruns what it calls flaky. A failing subtest fails the item."""
        last = (
            self.outcomes[len(self.outcomes) - self.outcomes[::-1].index("rerun") :]
            if self._was_rerun
            else self.outcomes
        )
        return next((bad for bad in ("failed", "xfailed", "skipped", "xpassed") if bad in last), "passed")

    @property
    def _was_rerun(self) -> bool:
        return "rerun" in self.outcomes

    @property
    def passed(self) -> bool:
        return self.outcome in ("passed", "xpassed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="the seed of the simulation")
    parser.add_argument("--durations", action="store_true", help="compare virtual with real durations, item by item")
    parser.add_argument("--keep", type=Path, help="keep pytest's output and the reports in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        suite = fetch(Path(folder))
        keep = options.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        items = run(suite, ["t/integration"], options.seed, keep / "all")
        failed = [node_id for node_id, item in items.items() if item.outcome == "failed"]
        again = run(suite, failed, options.seed, keep / "again") if failed else {}
        wall_s = time.perf_counter() - began
    return judge(items, again, wall_s, options.durations)


def fetch(folder: Path) -> Path:
    """The suite beside nothing else, so that the installed Celery is imported."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", f"celery=={VERSION}"]
    subprocess.run([*command, "--dest", folder], check=True)
    suite = folder / "suite"
    with tarfile.open(next(folder.glob("celery-*.tar.gz"))) as archive:
        root = f"celery-{VERSION}"
        wanted = [m for m in archive if m.name == f"{root}/pyproject.toml" or m.name.startswith(f"{root}/t/")]
        archive.extractall(folder, members=wanted, filter="data")
    (folder / root).rename(suite)
    return suite


def run(suite: Path, what: Iterable[str], seed: int, keep: Path) -> dict[str, Item]:
    """Run pytest; its reports come back by a plugin beside the data of this script."""
    reports, log = keep.with_suffix(".ndjson"), keep.with_suffix(".log")
    reports.unlink(missing_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CELERY_"))},
        **ENVIRONMENT,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(HERE),
        "REPORTS": str(reports.resolve()),
        "PYTHONHASHSEED": str(seed),
    }
    plugins = ["-p", "celery.contrib.pytest", "-p", "reports_to_a_file"]
    options = ["--retrysim-worker", f"--retrysim-seed={seed}", "-q", "--tb=short", "-p", "no:cacheprovider"]
    with log.open("w") as output:
        command = [sys.executable, "-m", "pytest", *plugins, *options, *what]
        subprocess.run(command, cwd=suite, env=environment, stdout=output, stderr=subprocess.STDOUT, timeout=900)
    if not reports.exists():
        sys.exit(f"pytest reported nothing:\n{log.read_text()}")
    return read(reports)


def read(reports: Path) -> dict[str, Item]:
    items: dict[str, Item] = {}
    for line in reports.read_text().splitlines():
        report = json.loads(line)
        item = items.setdefault(report["id"], Item())
        item.outcomes.append(report["outcome"])
        item.skipped_because = report["why"] or item.skipped_because
        if report["virtual_s"] is not None:
            item.virtual_s = report["virtual_s"]
    return items


def judge(items: dict[str, Item], again: dict[str, Item], wall_s: float, durations: bool) -> int:
    real = json.loads((HERE / "real_worker.json").read_text())
    closed: dict[str, str] = tomllib.loads((HERE / "not_applicable.toml").read_text())
    passed = {node_id for node_id, item in items.items() if item.passed}
    alone = {node_id for node_id, item in again.items() if item.passed}
    failed = [node_id for node_id in items if node_id not in passed | alone and items[node_id].outcome == "failed"]
    expected = {node_id for node_id, figures in real.items() if figures["outcome"] in ("passed", "xpassed")}
    unexpected = [node_id for node_id in failed if node_id not in closed]
    stale = [node_id for node_id in closed if node_id not in items]

    print(f"Celery {VERSION}, t/integration, on the simulated Redis")
    print(f"  items run          {len(items)}")
    print(f"  passed             {len(passed | alone)}, of these {len(alone)} only without the items before them")
    print(f"  failed             {len(unexpected)}")
    print(f"  not applicable     {len([node_id for node_id in failed if node_id in closed])}")
    for outcome in ("xfailed", "skipped"):
        print(f"  {outcome:<18} {len([item for item in items.values() if item.outcome == outcome])}")
    print(f"  pass really        {len(expected)}, of these pass here {len(expected & (passed | alone))}")
    print(f"  virtual seconds    {sum(item.virtual_s or 0 for item in items.values()):.1f}")
    print(f"  wall seconds       {wall_s:.1f}")
    print(f"  processor seconds  {sum(os.times()[2:4]):.1f}")
    report("passed only without the items before it", alone)
    report("not applicable", [f"{node_id}: {closed[node_id]}" for node_id in failed if node_id in closed])
    report("FAILED", unexpected)
    report("on the closed list, but it passes", [node_id for node_id in closed if node_id in passed | alone])
    report("FAILED: on the closed list, but there is no such item", stale)
    report("passes with a real worker, does not here", sorted(expected - passed - alone - set(closed)))
    missing = sorted(expected - set(items))
    report("FAILED: not run", missing)
    wrong = compare_durations(items | {node_id: again[node_id] for node_id in alone}, real) if durations else []
    return 1 if unexpected or stale or missing or wrong else 0


def compare_durations(items: dict[str, Item], real: dict[str, dict[str, float]]) -> list[str]:
    """Virtual against real: within 0.3 s or 5 %; the items that differ, without those that may."""
    known: dict[str, str] = tomllib.loads((HERE / "durations_that_differ.toml").read_text())
    long = {node_id: float(figures["call_s"]) for node_id, figures in real.items() if figures["call_s"] > LONG_S}
    differ = {}
    for node_id, real_s in long.items():
        virtual_s = items[node_id].virtual_s if node_id in items else None
        if virtual_s is None or abs(virtual_s - real_s) > max(0.3, 0.05 * real_s):
            differ[node_id] = f"{node_id}: {real_s:.2f} s really, " + (
                "not here" if virtual_s is None else f"{virtual_s:.2f} s virtually"
            )
    agree = len(long) - len(differ)
    print(f"\n{len(long)} items take more than {LONG_S} s with a real worker; {agree} agree in virtual time")
    report("differ, known", [f"{line}: {known[node_id]}" for node_id, line in differ.items() if node_id in known])
    wrong = [line for node_id, line in differ.items() if node_id not in known]
    report("FAILED: differ", wrong)
    return wrong


def report(title: str, lines: Iterable[str]) -> None:
    lines = list(lines)
    if lines:
        print(f"\n{title}:", *lines, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
