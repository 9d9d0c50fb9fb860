"""The example projects, each run as its own CI runs it: in its folder, by pytest."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_an_example_passes(name):
    options = ["-q", "-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=EXAMPLES / name, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_an_example_has_all_that_a_stranger_needs(name):
    files = [EXAMPLES / name / file for file in ("pyproject.toml", "requirements.txt", ".github/workflows/tests.yml")]

    assert [file for file in files if not file.is_file()] == []
