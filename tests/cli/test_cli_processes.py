"""The command as a process of its own: its help, its start-up, its terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

HEAVY = ("celery", "kombu", "pydantic", "ruamel.yaml", "greenlet", "fakeredis", "rich", "jinja2")
WATCHED_HELP = f"""
import sys
from retrysim.cli import main
try:
    main.main(sys.argv[1:], prog_name="retrysim")
finally:
    print("heavy:", *[name for name in {HEAVY!r} if name in sys.modules])
"""
#: The player is stood in for; everything else is the command itself.
PLAYED = """
import sys
from types import SimpleNamespace
from retrysim.cli import main
from retrysim.trace import TaskSent, Trace
sent = TaskSent(at_ns=0, task_id="1", name="proj.add", queue="celery", retries=0, eta_ns=None, parent_id=None)
outcome = SimpleNamespace(passed=True, summary=lambda: "1 task", trace=Trace(events=[sent]))
sys.modules["retrysim.simulation.player"] = SimpleNamespace(play=lambda item, trace_dir, watch: outcome)
main.main(sys.argv[1:], prog_name="retrysim")
"""


def environment(**more):
    return {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | more


def python(*arguments, **more):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=20, env=environment(), **more
    )


def on_a_terminal(*arguments, cwd, **more):
    """What a process writes on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=theirs, stderr=theirs, cwd=cwd, env=environment(**more)
    ) as process:
        os.close(theirs)
        process.wait(timeout=20)
    written = os.read(ours, 10_000)
    os.close(ours)
    return written.decode()


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ([], "retrysim run scenarios/user_200_calls.scenario.yaml"),
        (["run"], "retrysim run scenarios/*.scenario.yaml --json --trace traces"),
        (["run"], "retrysim run scenarios --jobs auto"),
        (["validate"], "retrysim validate scenarios/*.scenario.yaml"),
        (["trace"], "retrysim trace --diff before.ndjson after.ndjson"),
    ],
)
def test_help_shows_an_example_and_imports_nothing_heavy(command, example):
    ended = python("-c", WATCHED_HELP, *command, "--help")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"\n    {example}\n" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "heavy:"


@pytest.mark.parametrize("module", ["retrysim", "retrysim.cli"])
def test_the_package_can_be_run_as_a_module(folder, module):
    ended = python("-m", module, "validate", "add.scenario.yaml", cwd=folder)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "valid  add.scenario.yaml  an add task (2 items)\n"


def test_wrong_input_leaves_one_line_on_standard_error(folder):
    ended = python("-m", "retrysim.cli", "run", "no.scenario.yaml", cwd=folder)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "no.scenario.yaml:1:1: no such file\n"


def test_a_terminal_gets_colours(folder):
    written = on_a_terminal("-c", PLAYED, "run", "add.scenario.yaml", cwd=folder)

    assert written.startswith("\x1b[32mpassed\x1b[0m  add.scenario.yaml[worker]  1 task\r\n")
    assert "\x1b[2mtask" in written


def test_a_terminal_without_colours_gets_none(folder):
    written = on_a_terminal("-c", PLAYED, "run", "add.scenario.yaml", cwd=folder, NO_COLOR="1")

    assert written.startswith("passed  add.scenario.yaml[worker]  1 task\r\n")
    assert "\r\ntask         submitted succeeded failed lost retried attempts p50 p99\r\n" in written
    assert "\x1b" not in written


def test_a_pipe_gets_no_colours(folder):
    ended = python("-c", PLAYED, "run", "add.scenario.yaml", cwd=folder)

    assert ended.stdout.startswith("passed  add.scenario.yaml[worker]  1 task\n")
    assert "submitted" not in ended.stdout
    assert "\x1b" not in ended.stdout
