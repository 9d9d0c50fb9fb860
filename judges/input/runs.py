"""The traces of some runs that have everything in them: retries, kills, faults, refused calls, lost tasks."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_SCENARIOS = (
    "01_success", "02_failure", "07_backoff", "09_ignore", "10_reject", "12_expired_in_the_queue", "21_limit_of_an_api",
    "26_chord_with_a_retried_member", "33_kill_with_a_waiting_retry", "36_cold_shutdown_with_a_waiting_retry",
    "40_broker_restarts", "43_partition", "47_exit_at_once",
)  # fmt: skip


def traces_of_runs(home: Path) -> list[str]:
    """Their texts, in a fixed order."""
    files = [f"conformance/{name}.scenario.yaml" for name in _SCENARIOS]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "retrysim.cli", "run", *files, "--trace", folder]
        subprocess.run(command, cwd=home, check=True, stdout=subprocess.DEVNULL)
        return [path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.ndjson"))]
