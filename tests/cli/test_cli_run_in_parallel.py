"""``retrysim run --jobs``: the same output as with one job, whatever ends first, and what ends a process."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

APP = """\
import ctypes, os, sys
from pathlib import Path
from celery import Celery

app = Celery("parallel", broker="memory://")
end_process = ctypes.CDLL(None)._exit  # found before the simulation, which refuses to look it up

@app.task
def first(n):
    "Ends when the second item has, where there is one."
    line = os.open("line", os.O_RDONLY)
    os.read(line, 1)
    print("printed by", n)

@app.task
def second(n):
    line = os.open("line", os.O_WRONLY)
    os.write(line, b".")

@app.task
def prints(n):
    print("printed by", n)
    print("warned by", n, file=sys.stderr)

@app.task
def fails(n):
    raise ValueError(n)

@app.task
def crashes(n):
    ctypes.string_at(0)

@app.task
def leaves(n):
    end_process(7)

@app.task
def hangs(n):
    line = os.open("line", os.O_WRONLY)
    os.write(line, b"begun\\n")
    while True:
        pass
"""
TASKS = (*re.findall(r"def (\w+)", APP), "unknown")
SCENARIO = """\
name: {task}
app: parallel:app
submit: [{{task: {task}, args: [1]}}]
"""


@pytest.fixture
def run(tmp_path):
    """``run("prints", "fails", "--json")`` plays a scenario for each of the tasks; ``more`` is added to their files."""
    (tmp_path / "parallel.py").write_text(APP)

    def call(*arguments, more="", start=subprocess.run):
        tasks = [name for name in arguments if name in TASKS]
        for task in tasks:
            (tmp_path / f"{task}.scenario.yaml").write_text(SCENARIO.format(task=task) + more)
        words = [f"{word}.scenario.yaml" if word in tasks else word for word in arguments]
        command = [sys.executable, "-m", "retrysim.cli", "run", *words]
        environment = {**os.environ, "NO_COLOR": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return start(command, cwd=tmp_path, env=environment, **pipes)

    return call


def without_seconds(text):
    return re.sub(r'in \d+\.\d\d s|"wall": [\d.]+', "TIME", text)


def test_the_lines_are_in_the_order_of_the_items_whatever_ends_first(run, tmp_path):
    os.mkfifo(tmp_path / "line")

    ended = run("first", "second", "--jobs", "2")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert without_seconds(ended.stdout) == (
        "printed by 1\n"
        "passed  first.scenario.yaml[worker]  1 succeeded in 0s of virtual time\n"
        "passed  second.scenario.yaml[worker]  1 succeeded in 0s of virtual time\n"
        "2 passed TIME\n"
    )


@pytest.mark.parametrize(("form", "jobs"), [((), "2"), (("--json",), "auto")])
def test_the_output_and_the_exit_code_are_those_of_one_job(run, tmp_path, form, jobs):
    more = "seeds: 0..1\nexpect: {states: {SUCCESS: 1}}\n"

    one = run("prints", "fails", *form, "--trace", "1", "--html", "1", "--jobs", "1", more=more)
    several = run("prints", "fails", *form, "--trace", "2", "--html", "2", "--jobs", jobs, more=more)

    assert one.returncode == several.returncode == 1
    assert without_seconds(several.stdout) == without_seconds(one.stdout)
    assert several.stderr == one.stderr
    assert "printed by 1\n" in one.stdout
    kept = [{path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in "12"]
    assert len(kept[0]) == 8
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("task", "how"), [("crashes", "was killed by SIGSEGV"), ("leaves", "exited with 7 before the item ended")]
)
def test_an_item_that_ends_its_process_fails_alone(run, task, how):
    ended = run(task, "prints", "--jobs", "2")

    assert (ended.returncode, ended.stderr) == (1, "warned by 1\n")
    assert without_seconds(ended.stdout) == (
        f"failed  {task}.scenario.yaml[worker]\n"
        f"the process that played this item {how}\n"
        f"replay: retrysim run {task}.scenario.yaml --seed 0\n"
        "\n"
        "printed by 1\n"
        "passed  prints.scenario.yaml[worker]  1 succeeded in 0s of virtual time\n"
        "1 passed, 1 failed TIME\n"
    )


def test_json_has_an_error_for_an_item_that_ends_its_process(run):
    ended = run("prints", "crashes", "--jobs", "2", "--json")

    assert json.loads(ended.stdout.splitlines()[-1]) == {
        "scenario": "crashes",
        "file": "crashes.scenario.yaml",
        "item": "worker",
        "seed": 0,
        "passed": False,
        "error": "the process that played this item was killed by SIGSEGV",
    }


def test_an_item_that_cannot_be_played_ends_the_command_with_its_message(run):
    ended = run("prints", "unknown", "fails", "--jobs", "2")

    assert ended.returncode == 2
    assert ended.stdout == ("printed by 1\npassed  prints.scenario.yaml[worker]  1 succeeded in 0s of virtual time\n")
    assert ended.stderr == (
        "warned by 1\n"
        "unknown.scenario.yaml:3:17: submit[0].task: the app 'parallel:app' has no task 'unknown' (it has "
        "parallel.crashes, parallel.fails, parallel.first, parallel.hangs, parallel.leaves, parallel.prints, "
        "parallel.second)\n"
    )


def test_a_traceback_is_that_of_the_process_that_played_the_item(run):
    ended = run("unknown", "prints", "--jobs", "2", "--traceback")

    assert ended.returncode == 2
    assert "in find_task\n" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes_and_what_was_printed_stays(run, tmp_path, number):
    os.mkfifo(tmp_path / "line")

    process = run("prints", "hangs", "--jobs", "2", more="workers: {isolated: true}\n", start=subprocess.Popen)
    with process, (tmp_path / "line").open() as line:
        line.readline()
        first = [process.stdout.readline() for _ in range(2)]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        line.read()  # until no process has it open

    assert first == ["printed by 1\n", "passed  prints.scenario.yaml[worker]  1 succeeded in 0s of virtual time\n"]
    assert (process.returncode, out, err) == (1, "", "warned by 1\n\nAborted!\n")


def test_a_number_of_jobs_that_is_none_exits_2(run):
    ended = run("prints", "--jobs", "0")

    assert ended.returncode == 2
    assert ended.stderr.endswith("Error: Invalid value for '--jobs': 0 is not in the range 1<=x<=256.\n")
