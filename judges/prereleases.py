"""The next releases as a judge: installs the newest pre-releases of everything, and says in words what fails.

    python judges/prereleases.py [--python PYTHON]

It is allowed to fail: exit code 1 tells what to look at before those releases come. Python 3.14 is tried where pyenv
has it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lowest import CORE, TEST_PACKAGES

HERE = Path(__file__).resolve().parents[1]
_WATCHED = ("celery", "kombu", "billiard", "amqp", "redis", "fakeredis", "freezegun", "greenlet", "pydantic", "h11")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)(?: - (.*))?$", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=[sys.executable, *_next_pythons()])
    failed = [python for python in parser.parse_args().python if not _holds(python)]
    return 1 if failed else 0


def _next_pythons() -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(map(str, root.glob("versions/3.14*/bin/python")))
    if not found:
        print("Python 3.14: there is no interpreter here; nothing was tried")
    return found


def _holds(python: str) -> bool:
    """Whether the core tests pass with that interpreter; what does not is printed."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([python, "-m", "venv", scratch], check=True)
        pip = [f"{scratch}/bin/pip", "--disable-pip-version-check", "-q"]
        wanted = ["--pre", "-e", str(HERE), *TEST_PACKAGES]
        if subprocess.run([*pip, "install", *wanted], check=False).returncode:
            print(f"{python}: the newest pre-releases cannot be installed together")
            return False
        _print_versions(python, scratch)
        command = [f"{scratch}/bin/pytest", "-q", "-p", "no:cacheprovider", "--tb=no", *CORE]
        ran = subprocess.run(command, cwd=HERE, check=False, capture_output=True, text=True)
    failures = _FAILED.findall(ran.stdout)
    for name, why in failures:
        print(f"  fails: {name}" + (f": {why}" if why else ""))
    print(f"{python}: {ran.stdout.strip().splitlines()[-1] if ran.stdout.strip() else ran.stderr.strip()}")
    return ran.returncode == 0


def _print_versions(python: str, venv: str) -> None:
    listed = subprocess.run([f"{venv}/bin/pip", "list", "--format=freeze"], check=True, capture_output=True, text=True)
    told = [line for line in listed.stdout.splitlines() if line.partition("==")[0].lower() in _WATCHED]
    print(f"{python}: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
