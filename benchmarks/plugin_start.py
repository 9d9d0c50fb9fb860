"""What the plugin adds to the start of pytest in a project that does not use it, and in one with a table. Prints its table.

Whole processes in turn, with the plugin and without, in CPU time: the least of many, since others may be at work.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 20
#: The others that are installed here cost more than it does, and are no part of the question.
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
TABLE = '[tool.retrysim]\nseed = 7\nstart = "2015-08-03T12:00:00Z"\nenv = {TOKEN = "fake"}\n'


def cpu_ms(folder: Path, *options: str) -> float:
    """CPU milliseconds of one pytest that collects one test."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *options]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **ALONE})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def import_ms() -> float:
    """Milliseconds of the import alone, pytest being imported."""
    code = "import time, pytest\nbegan = time.process_time()\nimport retrysim.pytest_plugin\nprint(time.process_time() - began)"
    return 1000 * float(subprocess.check_output([sys.executable, "-c", code]))


def measured(table: str) -> tuple[float, float]:
    """Without and with the plugin."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_it.py").write_text("def test_it():\n    pass\n")
        (folder / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{table}")
        rounds = [(cpu_ms(folder), cpu_ms(folder, "-p", "retrysim.pytest_plugin")) for _ in range(ROUNDS)]
    return min(without for without, _ in rounds), min(having for _, having in rounds)


def main() -> None:
    print("| what | pytest alone | with the plugin | difference | target |\n|---|---|---|---|---|")
    for what, table in (("a project that does not use it", ""), ("one with `[tool.retrysim]`", TABLE)):
        without, having = measured(table)
        print(f"| {what} | {without:.0f} ms | {having:.0f} ms | {having - without:.0f} ms | 30 ms |")
    print(f"| the import alone | | | {min(import_ms() for _ in range(ROUNDS)):.0f} ms | 30 ms |")


if __name__ == "__main__":
    main()
