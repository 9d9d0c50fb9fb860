"""``retrysim run``: what it prints, in both its forms, and what it tells the shell."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import version

import pytest

from retrysim.errors import AppError, Runaway
from retrysim.versions import summary


def without_seconds(text):
    return re.sub(r"in \d+\.\d\d s", "in TIME", text)


def test_items_that_pass_have_a_line_each_and_exit_0(retrysim, player, folder):
    ended = retrysim("run", "add.scenario.yaml")

    assert ended.code == 0
    assert ended.err == ""
    assert without_seconds(ended.out) == (
        "passed  add.scenario.yaml[worker]  1 task, 1 attempt, 0s\n"
        "passed  add.scenario.yaml[eager]  1 task, 1 attempt, 0s\n"
        "2 passed in TIME\n"
    )


def test_an_item_that_fails_says_why_and_the_others_are_played(retrysim, player, folder):
    player.failing = {"worker"}

    ended = retrysim("run", "add.scenario.yaml")

    assert ended.code == 1
    assert ended.err == ""
    assert without_seconds(ended.out) == (
        "failed  add.scenario.yaml[worker]\n"
        "every_task_settles: 1 of 1 tasks is lost\n"
        "  task add[1]: RETRY 2s\n"
        "\n"
        "passed  add.scenario.yaml[eager]  1 task, 1 attempt, 0s\n"
        "1 passed, 1 failed in TIME\n"
    )


def test_json_is_one_object_per_item_and_line_and_nothing_else(retrysim, player, folder):
    player.failing = {"eager"}

    ended = retrysim("run", "add.scenario.yaml", "--json")

    assert ended.code == 1
    assert ended.err == ""
    assert [json.loads(line) for line in ended.out.splitlines()] == [
        {"scenario": "an add task", "item": "worker", "passed": True, "elapsed": 900.0},
        {"scenario": "an add task", "item": "eager", "passed": False, "elapsed": 900.0},
    ]


def test_json_of_items_that_pass_exits_0(retrysim, player, folder):
    ended = retrysim("run", "--json", "add.scenario.yaml")

    assert ended.code == 0
    assert len(ended.out.splitlines()) == 2


def test_a_failure_that_is_known_is_not_one(retrysim, player, folder):
    (folder / "add.scenario.yaml").write_text("{name: a, app: p, submit: [{task: t}], xfail: celery#1}")
    player.failing = {"worker"}

    ended = retrysim("run", "add.scenario.yaml")

    assert ended.code == 0
    assert without_seconds(ended.out) == "xfailed  add.scenario.yaml[worker]  celery#1\n1 xfailed in TIME\n"


def test_what_is_about_another_version_is_skipped(retrysim, player, folder):
    (folder / "add.scenario.yaml").write_text("{name: a, app: p, submit: [{task: t}], requires: celery<1}")
    reason = f"requires celery<1, and {version('celery')} is installed"

    ended, as_json = retrysim("run", "add.scenario.yaml"), retrysim("run", "add.scenario.yaml", "--json")

    assert (ended.code, as_json.code, player.played) == (0, 0, [])
    assert without_seconds(ended.out) == f"skipped  add.scenario.yaml[worker]  {reason}\n1 skipped in TIME\n"
    assert json.loads(as_json.out)["skipped"] == reason


def test_passing_against_a_known_failure_fails(retrysim, player, folder):
    (folder / "add.scenario.yaml").write_text("{name: a, app: p, submit: [{task: t}], xfail: celery#1}")

    ended = retrysim("run", "add.scenario.yaml")

    assert ended.code == 1
    assert without_seconds(ended.out) == (
        'xpassed  add.scenario.yaml[worker]  it passed, but its xfail says "celery#1": remove that key\n'
        "1 xpassed in TIME\n"
    )


def test_json_says_which_failure_is_known(retrysim, player, folder):
    (folder / "add.scenario.yaml").write_text("{name: a, app: p, submit: [{task: t}], xfail: celery#1}")
    player.failing = {"worker"}

    ended = retrysim("run", "add.scenario.yaml", "--json")

    assert ended.code == 0
    assert json.loads(ended.out) == {
        "scenario": "an add task",
        "item": "worker",
        "passed": False,
        "elapsed": 900.0,
        "xfail": "celery#1",
    }


def test_files_are_played_in_the_order_given(retrysim, player, folder):
    (folder / "b.scenario.yaml").write_text("{name: b, app: p, submit: [{task: t}], seeds: 1..2}")

    retrysim("run", "b.scenario.yaml", "add.scenario.yaml")

    assert player.played == [
        ("b.scenario.yaml", "worker-seed1", 1, None),
        ("b.scenario.yaml", "worker-seed2", 2, None),
        ("add.scenario.yaml", "worker", 0, None),
        ("add.scenario.yaml", "eager", 0, None),
    ]


def test_the_seed_takes_the_place_of_the_files_own(retrysim, player, folder):
    retrysim("run", "add.scenario.yaml", "--seed", "7")

    assert [(item, seed) for _, item, seed, _ in player.played] == [("worker-seed7", 7), ("eager-seed7", 7)]


def test_traces_are_kept_in_a_folder_that_is_made(retrysim, player, folder):
    retrysim("run", "add.scenario.yaml", "--trace", folder / "out" / "traces")

    assert {trace_dir for *_, trace_dir in player.played} == {folder / "out" / "traces"}
    assert (folder / "out" / "traces").is_dir()


def test_a_file_in_place_of_the_trace_folder_is_told(retrysim, player, folder):
    (folder / "traces").touch()

    ended = retrysim("run", "add.scenario.yaml", "--trace", "traces")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "--trace traces: expected a folder that can be written to; File exists\n"


def test_a_wrong_file_exits_2_with_one_message_before_anything_is_played(retrysim, player, folder):
    (folder / "bad.scenario.yaml").write_text("name: b\nap: p\nsubmit: [{task: t}]\n")

    ended = retrysim("run", "add.scenario.yaml", "bad.scenario.yaml")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "bad.scenario.yaml:2:1: ap: unknown key; did you mean 'app'?\n"
    assert player.played == []


def test_a_missing_file_exits_2(retrysim, player, folder):
    ended = retrysim("run", "ad.scenario.yaml")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "ad.scenario.yaml:1:1: no such file; did you mean 'add.scenario.yaml'?\n"


def test_no_file_exits_2(retrysim, player):
    ended = retrysim("run")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == "Error: Missing argument 'FILE|DIR...'."


@pytest.mark.parametrize("seed", ["-1", "x", "1.5"])
def test_a_seed_that_is_none_exits_2(retrysim, player, folder, seed):
    ended = retrysim("run", "add.scenario.yaml", "--seed", seed)

    assert (ended.code, ended.out) == (2, "")
    assert "Invalid value for '--seed'" in ended.err
    assert player.played == []


def test_input_that_proves_wrong_at_play_time_exits_2(retrysim, player, folder):
    player.raising = AppError("add.scenario.yaml:2:6: app: no module named 'proj'")

    ended = retrysim("run", "add.scenario.yaml")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "add.scenario.yaml:2:6: app: no module named 'proj'\n"


def test_a_run_that_cannot_go_on_exits_1(retrysim, player, folder):
    player.raising = Runaway("more than 50 attempts of add[1]")

    ended = retrysim("run", "add.scenario.yaml")

    assert (ended.code, ended.err) == (1, "more than 50 attempts of add[1]\n")


def test_a_bug_of_retrysim_says_so_and_exits_3(retrysim, player, folder):
    player.raising = ZeroDivisionError("division by zero")

    ended = retrysim("run", "add.scenario.yaml")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "retrysim failed on a bug of its own, not on your scenario: ZeroDivisionError: division by zero\n"
        f"with {summary()}\n"
        "Run it again with --traceback to see where, and please report it with what that shows.\n"
    )


@pytest.mark.parametrize(
    ("error", "code"), [(AppError("no app"), 2), (Runaway("too many events"), 1), (KeyError("a bug"), 3)]
)
def test_a_traceback_is_shown_when_it_is_asked_for(retrysim, player, folder, error, code):
    player.raising = error

    ended = retrysim("run", "add.scenario.yaml", "--traceback")

    assert ended.code == code
    assert ended.err.startswith("Traceback (most recent call last):\n")
    assert "raise self.raising" in ended.err


def test_the_current_folder_comes_first_for_imports_while_items_are_played(retrysim, player, folder):
    before = list(sys.path)

    retrysim("run", "add.scenario.yaml")

    assert player.sys_path[0] == str(folder)
    assert sys.path == before


def test_the_path_for_imports_is_restored_after_a_crash(retrysim, player, folder):
    before = list(sys.path)
    player.raising = ZeroDivisionError()

    retrysim("run", "add.scenario.yaml")

    assert player.sys_path[0] == str(folder)
    assert sys.path == before


def test_words_are_coloured_on_a_terminal(retrysim, player, folder):
    player.failing = {"eager"}

    ended = retrysim("run", "add.scenario.yaml", color=True)

    assert "\x1b[32mpassed\x1b[0m  add.scenario.yaml[worker]" in ended.out
    assert "\x1b[31mfailed\x1b[0m  add.scenario.yaml[eager]" in ended.out
    assert "\x1b[32m1 passed\x1b[0m, \x1b[31m1 failed\x1b[0m in" in ended.out


def test_no_color_is_respected_on_a_terminal(retrysim, player, folder, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    ended = retrysim("run", "add.scenario.yaml", color=True)

    assert ended.out.startswith("passed  add.scenario.yaml[worker]")
    assert "\x1b" not in ended.out


def test_an_empty_no_color_means_nothing(retrysim, player, folder, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")

    ended = retrysim("run", "add.scenario.yaml", color=True)

    assert ended.out.startswith("\x1b[32mpassed\x1b[0m")


def test_a_folder_stands_for_the_scenarios_in_it_and_below_it(retrysim, player, folder):
    (folder / "more" / ".hidden").mkdir(parents=True)
    for name in ("b.scenario.yaml", "more/a.scenario.yaml", "more/.hidden/c.scenario.yaml"):
        (folder / name).write_text((folder / "add.scenario.yaml").read_text())

    ended = retrysim("run", ".", "b.scenario.yaml")

    files = list(dict.fromkeys(file for file, *_ in player.played))
    assert (ended.code, files) == (0, ["add.scenario.yaml", "b.scenario.yaml", "more/a.scenario.yaml"])


def test_a_folder_without_scenarios_exits_2(retrysim, player, folder):
    (folder / "empty").mkdir()

    ended = retrysim("run", "empty")

    assert (ended.code, ended.err) == (
        2,
        "empty: expected a folder with scenario files, whose names end in .scenario.yaml; it has none\n",
    )


def test_mistakes_of_all_files_are_told_before_anything_is_played(retrysim, player, folder):
    for name in ("a", "b"):
        (folder / f"{name}.scenario.yaml").write_text("name: x\napp: p\nsubmt: []\nsubmit: [{task: t}]\n")

    ended = retrysim("run", ".")

    assert (ended.code, player.played) == (2, [])
    assert ended.err.splitlines() == [
        "a.scenario.yaml:3:1: submt: unknown key; did you mean 'submit'?",
        "b.scenario.yaml:3:1: submt: unknown key; did you mean 'submit'?",
    ]


def test_html_of_a_live_run_exits_2(retrysim, player, folder):
    ended = retrysim("run", "add.scenario.yaml", "--html", "pages", "--live", "redis")

    assert ended.code == 2
    assert ended.err.splitlines()[-1] == (
        "Error: --html draws simulated runs; leave out --live, or keep traces with --trace"
    )
