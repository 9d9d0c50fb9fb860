"""What an audit costs: an app of 50 tasks, each with a jittered policy of its own, on all cores. Prints its table."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from retrysim.audit.processes import cores

APP = """\
from celery import Celery

app = Celery("fifty", broker="redis://localhost:6379/0")


def body(): ...


for number in range(50):
    app.task(body, name=f"fifty.task_{number}", autoretry_for=(OSError,), retry_backoff=1 + number, max_retries=3)
"""


def seconds(*options: str) -> tuple[float, float]:
    """Wall and CPU seconds of the whole command, interpreter and imports included."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "fifty.py").write_text(APP)
        before, began = os.times(), time.perf_counter()
        command = [sys.executable, "-m", "retrysim.cli", "audit", "fifty", "--json", *options]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - began, cpu


def main() -> None:
    print("| audit of 50 tasks | wall | CPU |\n|---|---|---|")
    for jobs in dict.fromkeys((1, cores())):
        wall, cpu = seconds("--jobs", str(jobs))
        print(f"| {jobs} process{'es' if jobs > 1 else ''} | {wall:.1f} s | {cpu:.1f} s |")


if __name__ == "__main__":
    main()
