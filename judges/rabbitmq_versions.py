"""Judge: the conformance set and random operations on a real RabbitMQ 4.0 and 4.3, and on the simulated one.

    python judges/rabbitmq_versions.py [4.0] [4.3] [--jobs 3] [--operations 10000]

Brings the servers up and ends them (`rabbitmq_servers.py`: root, Debian and debootstrap). `retrysim run --live` asks
the real server for its version, and simulates that. Exits 1 if something differs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import rabbitmq_servers

ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("versions", nargs="*", help=f"of {', '.join(rabbitmq_servers.RELEASES)}; default: all")
    parser.add_argument("--jobs", type=int, default=3, help="how many scenarios are played at once")
    parser.add_argument("--operations", type=int, default=10_000, help="how many random operations; 0: none")
    options = parser.parse_args()
    versions = options.versions or list(rabbitmq_servers.RELEASES)
    if unknown := [version for version in versions if version not in rabbitmq_servers.RELEASES]:
        parser.error(f"no server of {', '.join(unknown)}; there are {', '.join(rabbitmq_servers.RELEASES)}")
    rabbitmq_servers.need_what_it_takes()
    try:
        return max([judge(version, options.jobs, options.operations) for version in versions])
    finally:
        rabbitmq_servers.stop()


def judge(version: str, jobs: int, operations: int) -> int:
    rabbitmq_servers.start(version)
    _, port = rabbitmq_servers.RELEASES[version]
    scenarios = sorted(ROOT.glob("conformance/*.scenario.yaml"))
    live = ["--live", f"amqp://guest:guest@127.0.0.1:{port}//", "--scale", "auto", "--compare", "--jobs", str(jobs)]
    commands = [[sys.executable, "-m", "retrysim", "run", *scenarios, *live]]
    if operations:
        differential = [sys.executable, ROOT / "judges" / "rabbitmq_differential.py", "--version", version]
        commands.append([*differential, "--port", str(port), "--operations", str(operations)])
    return max([run(command, version) for command in commands])


def run(command: list[str | Path], version: str) -> int:
    path = os.pathsep.join([str(rabbitmq_servers.control_folder(version)), os.environ["PATH"]])
    began = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=os.environ | {"PATH": path}, check=False).returncode
    print(f"RabbitMQ {version}: exit code {code} after {time.monotonic() - began:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
