"""``retrysim explore``: what it prints, what it writes, and how it exits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.explore.conftest import HEAD, items

from retrysim.cli import main
from retrysim.exploring.exploration import Budget, Explorer
from retrysim.exploring.face import explore_scenario

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
QUIET_TASK = "submit: [{task: quiet}]\n"
QUIET = HEAD + QUIET_TASK


@pytest.fixture
def explore(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.scenario.yaml").write_text(QUIET)

    def run(*arguments, file="shop.scenario.yaml"):
        return CliRunner().invoke(main, ["explore", file, "--jobs", "1", *arguments])

    return run


def test_a_finding_exits_1_and_the_report_names_its_file_and_its_cause(explore, tmp_path):
    ended = explore("--fault", "message_doubled", "--markdown", "x.md", "--html", "x.html")

    assert ended.exit_code == 1
    head, *lines = ended.output.splitlines()
    assert head.startswith("shop.scenario.yaml: 1 task, 0 calls, 4 points; ")
    assert lines[1:4] == ["at every point        quiet", "a message duplicated  twice 1 of 1", ""]
    assert lines[5:] == [
        "1 finding:",
        "1. quiet has its effect twice: message doubled at quiet#1, after it was sent",
        "   found/01_quiet_twice.scenario.yaml",
        "   why: its body runs to the end again, for nothing tells a second copy of the",
        "        message from the first",
    ]
    assert "| a message duplicated | twice 1 of 1 |" in (tmp_path / "x.md").read_text()
    page = (tmp_path / "x.html").read_text()
    assert '<a href="#run-1">twice 1 of 1</a>' in page
    assert '<section id="run-1">' in page
    assert "<svg" in page


def test_the_progress_line_names_the_scenario_and_counts_runs(explore, monkeypatch):
    monkeypatch.setattr(sys.modules["retrysim.cli.explore"], "wants_progress", lambda: True)

    shown = explore("--fault", "message_doubled").stderr.split("\r\x1b[K")

    assert re.fullmatch(r"shop\.scenario\.yaml: 1 of 1 runs, \d+/s, \d+ states, \d findings", shown[1])
    assert shown[-1] == ""


def test_json_is_one_object_per_cell_and_a_summary(explore):
    cell, summary = map(json.loads, explore("--fault", "message_doubled", "--json").output.splitlines())

    assert cell == {
        "task": "tests.explore.shop.quiet", "fault": "message_doubled", "worst": "twice", "struck": 1, "points": 1,
        "late": None, "times": 2, "scenario": "found/01_quiet_twice.scenario.yaml", "accepted": False,
    }  # fmt: skip
    assert (summary["runs"] > 0, summary["points"], summary["interrupted"]) == (True, 4, False)
    assert [(finding["worst"], finding["decisions"]) for finding in summary["findings"]] == [("twice", 1)]


def test_a_budget_that_is_too_small_for_every_single_fault_is_said(explore, tmp_path):
    ended = explore("--fault", "message_doubled", "--fault", "worker_killed", "--runs", "2", "--markdown", "x.md")

    said = "3 single faults not tried: the search ended before"
    assert said in ended.output.splitlines()
    assert f"{said}." in (tmp_path / "x.md").read_text().splitlines()
    summary = json.loads(explore("--fault", "message_doubled", "--runs", "2", "--json").output.splitlines()[-1])
    assert summary["untried"] == 0


def test_nothing_new_exits_0(explore):
    ended = explore("--fault", "message_delayed")

    assert (ended.exit_code, ended.output.splitlines()[-1]) == (0, "0 findings")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fault", "power_cut"), "no kind of fault 'power_cut' (there are worker_killed, "),
        (("--shard", "4/3"), "--shard '4/3': expected which part of how many, such as 3/16"),
        (("--item", "worker-9"), "shop.scenario.yaml has no item 'worker-9' that a worker runs (there is worker)"),
        (("--time", "soon"), "'soon' is "),
    ],
)
def test_wrong_input_exits_2_with_one_message(explore, arguments, message):
    ended = explore(*arguments)

    assert ended.exit_code == 2
    assert ended.output.startswith(message)


def test_a_file_that_there_is_not_exits_2(explore):
    assert explore(file="shops.scenario.yaml").exit_code == 2


def test_ctrl_c_keeps_what_was_found():
    def interrupt(exploration):
        if exploration.runs == 2:
            raise KeyboardInterrupt

    text = "submit: [{task: quiet, times: 3}]\n"
    kinds = ("message_doubled",)
    exploration = explore_scenario(items(text), faults=kinds, budget=Budget(jobs=1), folder=None, watch=interrupt)

    assert exploration.interrupted
    assert (exploration.runs, exploration.untried) == (2, 1)
    assert [finding.worst for finding in exploration.findings.values()] == ["twice"]


def test_ctrl_c_between_two_runs_keeps_what_was_found(monkeypatch):
    take = Explorer.take

    def interrupt(self, trial, result):
        take(self, trial, result)
        raise KeyboardInterrupt

    monkeypatch.setattr(Explorer, "take", interrupt)
    budget = Budget(jobs=1)
    exploration = explore_scenario(items(QUIET_TASK), faults=("message_doubled",), budget=budget, folder=None)

    assert exploration.interrupted
    assert [finding.worst for finding in exploration.findings.values()] == ["twice"]


#: Explores, and gets SIGTERM, with all that it has started, when so many runs are made; prints what handles it then.
TERMINATED = """\
import os, signal, sys
from retrysim.cli import main
from retrysim.exploring.journal import Journaled

results = Journaled.results
def counted(self, trials):
    for number, result in enumerate(results(self, trials)):
        yield result
        if number == 2:
            os.killpg(os.getpgrp(), signal.SIGTERM)

Journaled.results = counted
try:
    main(["explore", "shop.scenario.yaml", "--jobs", "2", "--fault", "message_doubled", "--json"])
finally:
    print(signal.getsignal(signal.SIGTERM).name)
"""


def test_sigterm_keeps_what_was_found_as_ctrl_c_does(tmp_path):
    (tmp_path / "shop.scenario.yaml").write_text(HEAD + "submit: [{task: quiet, times: 6}]\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    ended = subprocess.run(
        [sys.executable, "-c", TERMINATED],
        cwd=tmp_path, env=environment, capture_output=True, text=True, start_new_session=True, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (1, "")
    *_, summary, handler = ended.stdout.splitlines()
    assert handler == "SIG_DFL"
    assert json.loads(summary)["interrupted"] is True
    assert [finding["scenario"] for finding in json.loads(summary)["findings"]] == [
        "found/01_quiet_twice.scenario.yaml"
    ]
    assert (tmp_path / "found" / "01_quiet_twice.scenario.yaml").exists()


def test_an_app_that_is_not_deterministic_is_named_with_the_first_event_that_differs(explore, tmp_path):
    (tmp_path / "odd.py").write_text(
        "import os\nfrom celery import Celery\napp = Celery('odd', broker='redis://')\n"
        "@app.task\ndef work():\n    return int.from_bytes(os.pread(os.open('/dev/urandom', 0), 8, 0), 'big')\n"
    )
    (tmp_path / "odd.scenario.yaml").write_text("name: odd\napp: odd:app\nbroker: redis\nsubmit: [{task: work}]\n")

    ended = explore("--fault", "message_doubled", file="odd.scenario.yaml")

    assert ended.exit_code == 2
    first, one, other, _ = ended.output.splitlines()
    assert first.startswith("the app is not deterministic: two runs with the same seed differ from event ")
    assert one != other
    assert '"event":"task-succeeded"' in one
