"""The lowest versions as a judge: installs the lower bound of each dependency, and runs the core tests.

    python judges/lowest.py [--keep FOLDER] [tests ...]

Prints what was installed and what fails. Exit code 1 when a bound cannot be installed, or when a test fails.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
#: Tests of what runs without a server, and without the packages that only tests want.
CORE = (
    "tests/kernel", "tests/trace", "tests/secrets", "tests/scenarios_files", "tests/fakes",
    "tests/ratelimit", "tests/faults", "tests/versions",
    "tests/celery/test_retries.py", "tests/celery/test_results.py", "tests/celery/test_pools.py",
    "tests/celery_redis/test_redis_retries.py", "tests/celery_redis/test_redis_results.py",
    "tests/simulation/test_simulation_face.py", "tests/cli/test_cli_run.py", "tests/cli/test_cli_validate.py",
)  # fmt: skip
#: What the tests need beside the package; their versions are not the question.
TEST_PACKAGES = (
    "pytest>=8.2",
    "pytest-xdist",
    "requests",
    "httpx",
    "hypothesis",
    "jsonschema",
    "msgpack",
    "pytest-randomly",
    "pytest-asyncio",
    "pytest-timeout",
)
_LOWEST = re.compile(r"([A-Za-z0-9_.-]+)(\[[^\]]*\])?\s*>=\s*([0-9.]+)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="*", default=list(CORE))
    parser.add_argument("--keep", type=Path, help="keep the environment in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return _judged(options.keep or Path(scratch, "venv"), options.tests)


def lower_bounds() -> Iterator[tuple[str, str]]:
    """Each dependency with its lowest version."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in project["dependencies"]:
        match = _LOWEST.match(text)
        if match is None:
            raise SystemExit(f"{text!r} has no lower bound")
        yield match[1], match[3]


def _judged(venv: Path, tests: list[str]) -> int:
    pins = [f"{name}=={version}" for name, version in lower_bounds()]
    constraints = venv.parent / "lowest.txt"
    constraints.parent.mkdir(parents=True, exist_ok=True)
    constraints.write_text("\n".join(pins) + "\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "pip"), "--disable-pip-version-check", "-q"]
    print("lowest:", ", ".join(pins), flush=True)
    wanted = ["-c", str(constraints), "-e", str(HERE), *TEST_PACKAGES]
    installed = subprocess.run([*pip, "install", *wanted], check=False)
    if installed.returncode:
        print("these versions cannot be installed together")
        return 1
    command = [str(venv / "bin" / "pytest"), "-q", "-n", "auto", "-p", "no:cacheprovider", *tests]
    return 1 if subprocess.run(command, cwd=HERE, check=False).returncode else 0


if __name__ == "__main__":
    sys.exit(main())
