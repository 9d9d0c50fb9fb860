"""Celery's own integration suite as a judge: `t/integration` of Celery 5.7.0 through `pytest --retrysim-worker`.

The suite is fetched from the package registry when this runs; nothing of it is kept here. No server is needed: the URLs
name ports on which nobody listens. Run it in an environment that has what the suite imports::

    pip install -e . -r judges/celery_suite/requirements.txt
    python judges/celery_suite.py [--broker redis|rabbitmq|rabbitmq_redis] [--seed N] [--durations] [--keep FOLDER]
    python judges/celery_suite.py --broker redis|rabbitmq|rabbitmq_redis --real URL [--redis-port 6379]

The brokers are those of Celery's own CI: RabbitMQ with results by `rpc://`, and with results in Redis. With `--real
URL` the suite runs once on that broker, with results there or in database 0 of the Redis at `--redis-port`, and the
outcome of each item is kept for the judgement. Items look for results in database 0 whatever the URL names, and leave
keys behind: start a Redis of its own for them.

The outcome of each item is that of a real worker, as it was stored: exit code 1 for any other, also for a pass that has
become a skip, or an expected failure that passes. An item that fails runs once more, in a pytest session without those
before it. To pass only then, or only after the suite's own reruns, is a difference too, unless `known.toml` names it.

With `--durations` an item that takes more than 2.2 s with a real worker must take as long in virtual time, within 0.3 s
or 5 %. Those of `rabbitmq_redis` cannot be compared: the machine was busy when they were measured, and items that take
0.04 s on Redis, in the median, took 0.18 s.
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
#: Broker and results, by the names of Celery's own CI. Nobody listens on these ports.
SIMULATED = {
    "redis": ("redis://localhost:1025", "redis://localhost:1025"),
    "rabbitmq": ("pyamqp://guest:guest@localhost:1026//", "rpc"),
    "rabbitmq_redis": ("pyamqp://guest:guest@localhost:1026//", "redis://localhost:1025"),
}
#: Real servers take some 20 minutes.
_PATIENCE_S = 3600
#: An item that takes longer in reality has its virtual duration compared.
LONG_S = 2.2
#: By how much a shorter one may be longer in virtual time.
SLACK_S = 2.0


@dataclass(slots=True)
class Item:
    """What became of one item: its outcomes as pytest reports them, the duration of its call phase in virtual time."""

    outcomes: list[str] = field(default_factory=list)
    virtual_s: float | None = None
    call_s: float = 0.0
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
    def reruns(self) -> int:
        """How often the suite itself ran it again."""
        return self.outcomes.count("rerun")

    @property
    def passed(self) -> bool:
        return self.outcome in ("passed", "xpassed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--broker", choices=SIMULATED, default="redis", help="broker and results")
    parser.add_argument("--real", metavar="URL", help="run it on this real broker, and keep what became of each item")
    parser.add_argument("--redis-port", default="6379", help="the port of the real Redis, for --real")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the simulation")
    parser.add_argument("--durations", action="store_true", help="compare virtual with real durations, item by item")
    parser.add_argument("--keep", type=Path, help="keep pytest's output and the reports in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        suite = fetch(Path(folder))
        keep = options.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        if options.real:
            environment = real_environment(options.broker, options.real, options.redis_port)
            note_real(options.broker, run(suite, ["t/integration"], environment, keep / "real"))
            return 0
        environment = simulated_environment(options.broker, options.seed)
        began = time.perf_counter()
        items = run(suite, ["t/integration"], environment, keep / "all")
        failed = [node_id for node_id, item in items.items() if item.outcome == "failed"]
        again = run(suite, failed, environment, keep / "again") if failed else {}
        wall_s = time.perf_counter() - began
    return judge(options.broker, items, again, wall_s, options.durations)


def simulated_environment(broker: str, seed: int) -> dict[str, str]:
    options = f"--retrysim-worker --retrysim-seed={seed}"
    return variables(*SIMULATED[broker], redis_port="1025") | {"PYTEST_ADDOPTS": options, "PYTHONHASHSEED": str(seed)}


def real_environment(broker: str, url: str, redis_port: str) -> dict[str, str]:
    backend = "rpc" if broker == "rabbitmq" else f"redis://localhost:{redis_port}"
    return variables(url, backend, redis_port=redis_port) | {"PYTEST_ADDOPTS": "-p no:retrysim"}


def variables(broker: str, backend: str, *, redis_port: str) -> dict[str, str]:
    """What the suite reads. The log level is that of Celery's own CI."""
    return {"TEST_BROKER": broker, "TEST_BACKEND": backend, "REDIS_PORT": redis_port, "WORKER_LOGLEVEL": "INFO"}


def real_outcomes(broker: str) -> Path:
    return HERE / ("real_worker.json" if broker == "redis" else f"real_worker_{broker}.json")


def note_real(broker: str, items: dict[str, Item]) -> None:
    lines = (
        f"  {json.dumps(node_id)}: {json.dumps({'outcome': item.outcome, 'call_s': item.call_s})}"
        for node_id, item in items.items()
    )
    real_outcomes(broker).write_text("{\n" + ",\n".join(lines) + "\n}\n")


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


def run(suite: Path, what: Iterable[str], variables: dict[str, str], keep: Path) -> dict[str, Item]:
    """Run pytest; its reports come back by a plugin beside the data of this script."""
    reports, log = keep.with_suffix(".ndjson"), keep.with_suffix(".log")
    reports.unlink(missing_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CELERY_"))},
        **variables,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(HERE),
        "REPORTS": str(reports.resolve()),
    }
    plugins = ["-p", "celery.contrib.pytest", "-p", "reports_to_a_file"]
    options = ["-q", "--tb=short", "-p", "no:cacheprovider"]
    with log.open("w") as output:
        command = [sys.executable, "-m", "pytest", *plugins, *options, *what]
        subprocess.run(
            command, cwd=suite, env=environment, stdout=output, stderr=subprocess.STDOUT, timeout=_PATIENCE_S
        )
    if not reports.exists():
        sys.exit(f"pytest reported nothing:\n{log.read_text()}")
    return read(reports)


def read(reports: Path) -> dict[str, Item]:
    items: dict[str, Item] = {}
    for line in reports.read_text().splitlines():
        report = json.loads(line)
        item = items.setdefault(report["id"], Item())
        item.outcomes.append(report["outcome"])
        item.call_s = report["call_s"]
        item.skipped_because = report["why"] or item.skipped_because
        if report["virtual_s"] is not None:
            item.virtual_s = report["virtual_s"]
    return items


def judge(broker: str, items: dict[str, Item], again: dict[str, Item], wall_s: float, durations: bool) -> int:
    real = json.loads(real_outcomes(broker).read_text())
    closed: dict[str, str] = tomllib.loads((HERE / "not_applicable.toml").read_text())
    known: dict[str, dict[str, str]] = tomllib.loads((HERE / "known.toml").read_text())
    alone = {node_id for node_id, item in again.items() if item.passed}
    last = items | {node_id: again[node_id] for node_id in alone}

    print(f"Celery {VERSION}, t/integration, on simulated servers: {broker}")
    print(f"  items run          {len(items)}")
    print(
        f"  passed             {sum(item.passed for item in last.values())}, of these {len(alone)} only when run alone"
    )
    for outcome in ("failed", "xfailed", "skipped"):
        print(f"  {outcome:<18} {sum(item.outcome == outcome for item in last.values())}")
    print(f"  virtual seconds    {sum(item.virtual_s or 0 for item in items.values()):.1f}")
    print(f"  wall seconds       {wall_s:.1f}")
    print(f"  processor seconds  {sum(os.times()[2:4]):.1f}")
    here = {node_id: item.outcome for node_id, item in last.items()}
    changed = changes({node_id: figures["outcome"] for node_id, figures in real.items()}, here)
    reruns = {node_id: f"{node_id}: {item.reruns}" for node_id, item in items.items() if item.reruns}
    report("not applicable", [f"{line}: {closed[node_id]}" for node_id, line in changed.items() if node_id in closed])
    report("on the closed list, but it ends as with a real worker", [one for one in closed if one not in changed])
    report("passed only when run alone, known", sorted(alone & known["alone"].keys()))
    report("run again by the suite, known", [line for node_id, line in reruns.items() if node_id in known["reruns"]])
    wrong = {
        "not as with a real worker": [line for node_id, line in changed.items() if node_id not in closed],
        "passed only when run alone": sorted(alone - known["alone"].keys()),
        "run again by the suite": [line for node_id, line in reruns.items() if node_id not in known["reruns"]],
        "on the closed list, but there is no such item": [one for one in closed if one not in items],
        "take long, where a real worker does not": slow(items, real),
        "differ in duration": compare_durations(last, real) if durations else [],
    }
    for title, lines in wrong.items():
        report(f"FAILED: {title}", lines)
    return 1 if any(wrong.values()) else 0


def changes(real: dict[str, str], here: dict[str, str]) -> dict[str, str]:
    """Each item that did not end as it did with a real worker; ``not run`` is an outcome, too."""
    both = {node_id: (real.get(node_id, "not run"), here.get(node_id, "not run")) for node_id in real | here}
    return {node_id: f"{node_id}: {was} really, {now} here" for node_id, (was, now) in both.items() if was != now}


def slow(items: dict[str, Item], real: dict[str, dict[str, float]]) -> list[str]:
    """Items that are short with a real worker, and not in virtual time."""
    short = {node_id: float(figures["call_s"]) for node_id, figures in real.items() if figures["call_s"] <= LONG_S}
    return [
        f"{node_id}: {real_s:.2f} s really, {item.virtual_s:.2f} s virtually"
        for node_id, real_s in short.items()
        if (item := items.get(node_id)) is not None and (item.virtual_s or 0) > real_s + SLACK_S
    ]


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
    return [line for node_id, line in differ.items() if node_id not in known]


def report(title: str, lines: Iterable[str]) -> None:
    lines = list(lines)
    if lines:
        print(f"\n{title}:", *lines, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
