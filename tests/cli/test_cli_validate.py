"""``retrysim validate``: files are checked without being played, and the schema is printed."""

from __future__ import annotations

import json
import sys

from retrysim.scenarios import json_schema
from retrysim.versions import summary


def test_a_right_file_has_a_line_and_exits_0(retrysim, folder):
    ended = retrysim("validate", "add.scenario.yaml")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "valid  add.scenario.yaml  an add task (2 items)\n"


def test_one_item_is_not_called_items(retrysim, folder):
    (folder / "b.scenario.yaml").write_text("{name: b, app: p, submit: [{task: t}]}")

    ended = retrysim("validate", "b.scenario.yaml")

    assert ended.out == "valid  b.scenario.yaml  b (1 item)\n"


def test_every_wrong_file_has_its_message_and_exits_2(retrysim, folder):
    (folder / "b.scenario.yaml").write_text("{name: b, app: p, submit: []}")

    ended = retrysim("validate", "b.scenario.yaml", "add.scenario.yaml", "c.scenario.yaml")

    assert ended.code == 2
    assert ended.out == "valid  add.scenario.yaml  an add task (2 items)\n"
    assert ended.err == (
        "b.scenario.yaml:1:27: submit: expected at least one value; got an empty list\n"
        "c.scenario.yaml:1:1: no such file\n"
    )


def test_a_machine_gets_a_line_for_every_file(retrysim, folder):
    (folder / "b.scenario.yaml").write_text("{name: b, app: p, submit: []}")

    ended = retrysim("validate", "add.scenario.yaml", "b.scenario.yaml", "--json")

    assert (ended.code, ended.err) == (2, "")
    assert [json.loads(line) for line in ended.out.splitlines()] == [
        {"file": "add.scenario.yaml", "valid": True, "scenario": "an add task", "items": 2},
        {
            "file": "b.scenario.yaml",
            "valid": False,
            "error": "b.scenario.yaml:1:27: submit: expected at least one value; got an empty list",
        },
    ]


def test_a_traceback_is_shown_when_it_is_asked_for(retrysim, folder):
    (folder / "b.scenario.yaml").write_text("{name: b, app: p, submit: []}")

    ended = retrysim("validate", "b.scenario.yaml", "--traceback")

    assert ended.code == 2
    assert ended.err.startswith("Traceback (most recent call last):\n")
    assert ended.err.endswith("b.scenario.yaml:1:27: submit: expected at least one value; got an empty list\n")


def test_nothing_is_played_or_imported(retrysim, folder, monkeypatch):
    (folder / "proj.py").write_text("raise SystemExit('imported')")
    (folder / "b.scenario.yaml").write_text("{name: b, app: proj, submit: [{task: t}]}")
    monkeypatch.syspath_prepend(str(folder))

    ended = retrysim("validate", "b.scenario.yaml")

    assert ended.code == 0
    assert "proj" not in sys.modules


def test_the_schema_is_printed(retrysim):
    ended = retrysim("validate", "--schema")

    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == json_schema()


def test_neither_files_nor_the_schema_exits_2(retrysim):
    ended = retrysim("validate")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == "Error: expected the files to check, or --schema alone"


def test_files_and_the_schema_together_exit_2(retrysim, folder):
    ended = retrysim("validate", "add.scenario.yaml", "--schema")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == "Error: expected the files to check, or --schema alone"


def test_a_bug_of_retrysim_says_so_and_exits_3(retrysim, folder, monkeypatch):
    def broken(scenario):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("retrysim.scenarios.items_of", broken)

    ended = retrysim("validate", "add.scenario.yaml")

    assert ended.code == 3
    assert ended.err == (
        "retrysim failed on a bug of its own, not on your scenario: ZeroDivisionError: division by zero\n"
        f"with {summary()}\n"
        "Run it again with --traceback to see where, and please report it with what that shows.\n"
    )
