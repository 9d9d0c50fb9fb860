"""The example projects, each run as its own CI runs it: in its folder, by pytest."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


def runs():
    """Each example with each command line of pytest in its CI."""
    for workflow in sorted(EXAMPLES.glob("*/.github/workflows/tests.yml")):
        for line in re.findall(r"- run: pytest(.*)", workflow.read_text()):
            yield pytest.param(workflow.parents[2].name, line.split(), id=f"{workflow.parents[2].name}{line}")


def test_each_example_is_run_by_its_ci():
    assert len(list(runs())) >= len(list(EXAMPLES.glob("*/.github/workflows/tests.yml"))) > 2


@pytest.mark.parametrize(("name", "more"), list(runs()))
def test_an_example_passes(name, more):
    options = ["-q", "-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider", *more]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=EXAMPLES / name, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout
    assert ("skipped" in done.stdout) == (name == "celery_contrib_pytest" and not more)


def test_the_readme_of_the_option_shows_what_it_prints():
    folder = EXAMPLES / "celery_contrib_pytest"
    [shown] = re.findall(r"^    (retrysim: .*)$", (folder / "README.md").read_text(), re.M)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--retrysim-worker",
        "tests/test_as_before.py",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)

    assert fnmatch.filter(done.stdout.splitlines(), shown.replace("...", "*")), done.stdout


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_an_example_has_all_that_a_stranger_needs(name):
    files = [EXAMPLES / name / file for file in ("pyproject.toml", "requirements.txt", ".github/workflows/tests.yml")]

    assert [file for file in files if not file.is_file()] == []
