"""Judge: the conformance set and random operations on a real RabbitMQ 4.0 and 4.3, and on the simulated one.

    python judges/rabbitmq_versions.py [4.0] [4.3] [--jobs 4] [--operations 10000] [--seeds 0 1 2]

A scenario in `conformance/rabbitmq_4` replaces the one of the same name in `conformance`, which holds before 4.0.

Brings one server up after the other, and removes it again (`rabbitmq_servers.py`: root, Debian and debootstrap; results
of tasks go to the Redis of `RETRYSIM_REDIS_URL`). `retrysim run --live` asks the real server for its version, and
simulates that. About 15 minutes for each version. Exits 1 if something differs, 2 if a server cannot be brought up.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import rabbitmq_servers

ROOT = Path(__file__).parents[1]
#: The lines that are told again at the end.
_FIGURES = re.compile(r"\d+ of \d+ agree|RabbitMQ [\d.]+, seed|\s+\d+ cases differ")
_END_S = 60
_INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("versions", nargs="*", help=f"of {', '.join(rabbitmq_servers.RELEASES)}; default: all")
    parser.add_argument("--jobs", type=int, default=4, help="how many scenarios or cases are played at once")
    parser.add_argument("--operations", type=int, default=10_000, help="how many random operations for each seed")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="none: no random operations")
    options = parser.parse_args()
    versions = options.versions or list(rabbitmq_servers.RELEASES)
    if unknown := [version for version in versions if version not in rabbitmq_servers.RELEASES]:
        parser.error(f"no server of {', '.join(unknown)}; there are {', '.join(rabbitmq_servers.RELEASES)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are removed then, too
    figures: dict[str, list[str]] = {}
    try:
        code = max([judge(version, options, figures.setdefault(version, [])) for version in versions])
    except KeyboardInterrupt:
        code = _INTERRUPTED
        print("interrupted; the server is removed")
    for version, lines in figures.items():
        print(f"\nRabbitMQ {version}", *lines, sep="\n  ")
    return code


def judge(version: str, options: argparse.Namespace, figures: list[str]) -> int:
    """The worst exit code of what is played on that version; its figures are added to the list."""
    try:
        with rabbitmq_servers.server(version) as url:
            steps = commands(version, url, options)
            return max([play(command, version, f"{n} of {len(steps)}", figures) for n, command in enumerate(steps, 1)])
    except rabbitmq_servers.NoServer as reason:
        figures.append(f"not judged, for it cannot be brought up: {reason}")
        print(f"RabbitMQ {version} cannot be brought up: {reason}", flush=True)
        return 2


def commands(version: str, url: str, options: argparse.Namespace) -> list[list[str]]:
    jobs = ["--jobs", str(options.jobs)]
    port = str(rabbitmq_servers.RELEASES[version][1])
    scenarios = {path.name: path for path in ROOT.glob("conformance/*.scenario.yaml")}
    scenarios |= {path.name: path for path in ROOT.glob("conformance/rabbitmq_4/*.scenario.yaml")}
    files = [str(path.relative_to(ROOT)) for _, path in sorted(scenarios.items())]
    differential = [str(ROOT / "judges" / "rabbitmq_differential.py"), "--version", version, "--port", port, *jobs]
    return [
        ["-m", "retrysim", "run", *files, "--live", url, "--scale", "auto", "--compare", *jobs],
        *([*differential, "--operations", str(options.operations), "--seed", str(seed)] for seed in options.seeds),
    ]


def play(arguments: list[str], version: str, step: str, figures: list[str]) -> int:
    """Run Python with these arguments and show what it prints; its exit code."""
    print(f"RabbitMQ {version}, step {step}: python {' '.join(arguments[:3])} ...", flush=True)
    path = os.pathsep.join([str(rabbitmq_servers.control_folder(version)), os.environ["PATH"]])
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-u", *arguments],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            if _FIGURES.match(line):
                figures.append(line.rstrip())
        code = process.wait()
    finally:
        rabbitmq_servers.end_group(process, patience_s=_END_S)
    print(f"RabbitMQ {version}, step {step}: exit code {code} after {time.monotonic() - began:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
