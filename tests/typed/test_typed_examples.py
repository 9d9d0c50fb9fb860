"""The file of typed examples runs, and mypy finds in it what is right and what is wrong; pyright does in CI."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from celery import Celery

ROOT = Path(__file__).parents[2]
EXAMPLES = Path(__file__).with_name("examples.py")


def test_the_typed_examples_run():
    sys.path.insert(0, str(EXAMPLES.parent))
    try:
        import examples
    finally:
        sys.path.remove(str(EXAMPLES.parent))
    app = Celery("typed", broker="redis://nobody.example/0", set_as_current=False)

    @app.task(name="typed.task", shared=False)
    def task():
        pass

    examples.uses(app)


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_type_checker_finds_nothing_wrong_but_what_is(checker):
    if shutil.which(checker, path=str(Path(sys.executable).parent)) is None:
        pytest.skip(f"{checker} is not installed here; CI has it")
    arguments = ["--strict", "--warn-unused-ignores", "--follow-imports=silent"] if checker == "mypy" else []

    done = subprocess.run(
        [Path(sys.executable).with_name(checker), *arguments, str(EXAMPLES)], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
