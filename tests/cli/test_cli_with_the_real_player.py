"""``retrysim run`` in a process of its own, on real scenarios: what it prints and how it exits."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LADDER = "scenarios/ladder"


def run(*arguments, cwd=ROOT, **variables):
    command = [sys.executable, "-m", "retrysim.cli", "run", *arguments]
    environment = {**os.environ, "NO_COLOR": "1", **variables}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def test_a_scenario_that_holds_exits_0_and_prints_a_line_for_each_item():
    ran = run(f"{LADDER}/03_retry.scenario.yaml")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.split()[:2] for line in ran.stdout.splitlines()[:3]] == [
        ["passed", f"{LADDER}/03_retry.scenario.yaml[worker]"],
        ["passed", f"{LADDER}/03_retry.scenario.yaml[eager]"],
        ["passed", f"{LADDER}/03_retry.scenario.yaml[always_eager]"],
    ]


def test_one_that_does_not_hold_exits_1_and_says_why(tmp_path):
    text = (ROOT / LADDER / "04_retry_once.scenario.yaml").read_text().replace("[0s, 2s]", "[0s, 3s]")
    (tmp_path / "wrong.scenario.yaml").write_text(text.replace("[worker, eager]", "worker"))

    ran = run(str(tmp_path / "wrong.scenario.yaml"))

    assert ran.returncode == 1
    assert (
        "attempts_at: expected attempts at [0s, 3s], got [0s, 2s]; "
        "for one scenarios.apps.add.add_with_one_retry[22e1c0c7]: RETRY 2s FAILURE"
    ) in ran.stdout
    assert "Traceback" not in ran.stderr


def test_wrong_input_that_shows_only_when_played_exits_2_with_one_message(tmp_path):
    text = (ROOT / LADDER / "01_add.scenario.yaml").read_text()
    (tmp_path / "wrong.scenario.yaml").write_text(text.replace("task: add", "task: ad"))

    ran = run("wrong.scenario.yaml", cwd=tmp_path, PYTHONPATH=str(ROOT))

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "wrong.scenario.yaml:6:12: submit[0].task: the app 'scenarios.apps.add:app' has no task 'ad'; did you mean 'add'?\n"
    )


def test_arguments_that_the_task_does_not_take_exit_2(tmp_path):
    text = (ROOT / LADDER / "01_add.scenario.yaml").read_text()
    (tmp_path / "wrong.scenario.yaml").write_text(text.replace("task: add", "task: add, kwargs: {z: 1}"))

    ran = run("wrong.scenario.yaml", cwd=tmp_path, PYTHONPATH=str(ROOT))

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "wrong.scenario.yaml:6:5: submit[0]: add() got an unexpected keyword argument 'z'\n"


def test_an_option_of_live_requires_it():
    ran = run(f"{LADDER}/01_add.scenario.yaml", "--compare")

    assert ran.returncode == 2
    assert ran.stderr.endswith("Error: --compare requires --live\n")


def test_json_is_one_object_for_each_item_and_traces_and_pages_are_kept(tmp_path):
    ran = run(f"{LADDER}/01_add.scenario.yaml", "--json", "--trace", str(tmp_path), "--html", str(tmp_path / "pages"))

    items = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(item["item"], item["passed"], item["tasks"]["succeeded"]) for item in items] == [
        ("worker", True, 1),
        ("eager", True, 1),
        ("always_eager", True, 1),
    ]
    names = ["01_add-always_eager", "01_add-eager", "01_add-worker"]
    assert sorted(path.name for path in tmp_path.glob("*.ndjson")) == [f"{name}.ndjson" for name in names]
    assert sorted(path.name for path in tmp_path.glob("pages/*")) == [f"{name}.html" for name in names]
