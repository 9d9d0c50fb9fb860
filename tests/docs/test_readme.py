"""The README keeps its word: its code runs, its scenario passes, its failure text is the one that is printed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import requests
from tests.docs.pages import check_options

from retrysim.fakes import API
from retrysim.scenarios import items_of, loads
from retrysim.simulation.player import play

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language):
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)
    return [text for tongue, text in fences if tongue == language]


TASKS = """
import requests
from celery import Celery

app = Celery("myapp", broker="redis://localhost:6379/0", include=["myapp.tasks"])


@app.task(bind=True, max_retries=10)
def push_contact(self, contact_id):
    response = requests.post("https://crm.acme.io/contacts", json={"id": contact_id}, timeout=10)
    if response.status_code == 429:
        raise self.retry(countdown=int(response.headers["Retry-After"]))
"""


def make_myapp(folder):
    (folder / "myapp").mkdir()
    (folder / "myapp/__init__.py").touch()
    (folder / "myapp/tasks.py").write_text(TASKS)


def test_the_python_of_the_readme_runs(pytester, monkeypatch):
    monkeypatch.setenv("TWITTER_TOKEN", "fake-token")
    first, code, _ = blocks("python")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(pytester.path)]))
    make_myapp(pytester.path)
    pytester.makepyfile(test_first=first, test_readme_code=code)

    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_the_first_commands_of_the_readme_run_in_a_project(tmp_path):
    install, audit, new = blocks("sh")[0].strip().splitlines()
    make_myapp(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    ended = subprocess.run(
        ["bash", "-ec", f"{audit}\n{new}\npytest -q scenarios test_push_contact_retries.py"],
        cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert install == "pip install retrysim"
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout


def test_the_matrix_of_the_readme_is_that_of_the_page_on_explore():
    [matrix] = blocks("text")

    assert matrix in (ROOT / "docs/how-to/explore.md").read_text()


def test_the_fake_without_celery_of_the_readme_works():
    *_, code = blocks("python")

    names = {"requests": requests, "API": API}
    exec(code, names)
    assert len(names["crm"].calls) == 1


def test_the_reference_lists_every_dialect_with_its_source_and_date():
    page = (ROOT / "docs/reference/fakes.md").read_text()

    for file in (ROOT / "src/retrysim/fakes/data/dialects").glob("*.toml"):
        dialect = tomllib.loads(file.read_text())
        assert f"| <{dialect['source']}> | {dialect['date']} |" in page, file.name


def test_the_scenario_of_the_readme_passes():
    [text] = blocks("yaml")

    for item in items_of(loads(text, file="README.md")):
        assert play(item).findings == []


def test_the_failure_of_the_readme_is_what_is_printed():
    [printed] = blocks("")
    text = (ROOT / "scenarios/user_200_calls.scenario.yaml").read_text()
    text = text.replace("scenarios.apps.twitter_user:app", "tests.bite.defective:app")
    text = text.replace("task: fetch_tweets", "task: countdown_of_899_s").replace("[worker, eager]", "worker")
    [item] = items_of(loads(text, file="README.md"))

    assert play(item).text().startswith(printed)


def test_the_two_commands_of_the_readme_need_nothing_else():
    [scenarios, tests] = [block.strip() for block in blocks("sh") if "venv" in block]

    setup = "python3 -m venv .venv && .venv/bin/pip install --quiet -e '.[test]' && .venv/bin/pytest"
    assert (scenarios, tests) == (f"{setup} scenarios/", f"{setup} -n auto tests/")


def test_every_linked_file_is_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_the_audit_of_the_readme_is_that_of_the_tutorial():
    [audited] = blocks("console")

    assert audited.rstrip("\n") in (ROOT / "docs/tutorial.md").read_text()


def test_the_commands_of_the_readme_run(tmp_path):
    """But for `serve`, which does not end, and the one that wants a broker: of these, the options are checked."""
    _, commands = [block.strip() for block in blocks("sh") if "retrysim" in block and "venv" not in block]
    lines = commands.splitlines()
    check_options(commands, "README.md")
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    ended = subprocess.run(
        ["bash", "-ec", "\n".join(line for line in lines if "--live" not in line and " serve " not in line)],
        cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_every_block_of_the_readme_is_of_a_kind_that_is_run_here():
    kinds = Counter(re.findall(r"^```(\w*)\n.*?^```$", README, re.M | re.S))

    assert kinds == {"python": 3, "yaml": 1, "": 1, "console": 1, "sh": 4, "text": 1}
