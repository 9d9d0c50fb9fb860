"""``retrysim trace``: a stored trace printed, drawn, and compared."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from retrysim.trace import (
    FaultFired,
    RunEnded,
    TaskFailed,
    TaskSent,
    TaskStarted,
    TaskSucceeded,
    Trace,
    WorkerReady,
    dump_ndjson,
)

TIMELINE = """\
12:00:00  +0s           ready     w1, 1 slot
                        sent      add[aaaa-1]  to queue celery
                        started   add[aaaa-1]  attempt 1 on w1
                        SUCCESS   add[aaaa-1]  7
12:15:00  +15m          ended     nothing more would happen
"""


def run_of(result):
    start = 1_438_603_200 * 10**9
    sent = TaskSent(
        at_ns=start, task_id="aaaa-1", name="proj.add", queue="celery", retries=0, eta_ns=None, parent_id=None
    )
    events = [
        WorkerReady(at_ns=start, worker="w1", concurrency=1),
        sent,
        TaskStarted(at_ns=start, task_id="aaaa-1", name="proj.add", worker="w1", attempt=1),
        TaskSucceeded(at_ns=start, task_id="aaaa-1", attempt=1, result=result),
        RunEnded(at_ns=start + 900 * 10**9, idle=True, holding=()),
    ]
    return dump_ndjson(Trace(start_ns=start, events=events))


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A folder with two traces that differ in a result."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seven.ndjson").write_text(run_of("7"), encoding="utf-8")
    (tmp_path / "eight.ndjson").write_text(run_of("8"), encoding="utf-8")
    return tmp_path


def test_a_trace_is_printed_as_a_timeline(retrysim, stored):
    ended = retrysim("trace", "seven.ndjson")

    assert (ended.code, ended.out, ended.err) == (0, TIMELINE, "")


def test_a_part_of_it_is_printed(retrysim, stored):
    ended = retrysim("trace", "seven.ndjson", "--task", "add", "--worker", "w1")

    assert (ended.code, ended.out) == (0, TIMELINE)


def test_a_name_that_is_not_in_it_is_wrong_input(retrysim, stored):
    ended = retrysim("trace", "seven.ndjson", "--fake", "twitter")

    assert (ended.code, ended.out, ended.err) == (2, "", "no fake 'twitter' in this trace (it has none)\n")


def test_its_figures_are_printed_without_colours_into_a_pipe(retrysim, stored):
    ended = retrysim("trace", "seven.ndjson", "--report")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "task         submitted succeeded failed lost retried attempts p50 p99\n"
        "add                  1         1      0    0       0        1  0s  0s\n"
    )


def test_its_events_are_printed_for_a_machine(retrysim, stored):
    ended = retrysim("trace", "seven.ndjson", "--json")

    assert (ended.code, ended.out) == (0, run_of("7"))


def test_its_pictures_are_written(retrysim, stored):
    ended = retrysim("trace", "seven.ndjson", "--html", "a.html", "--svg", "a.svg", "--perfetto", "a.json")

    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "wrote a.html\nwrote a.svg\nwrote a.json\n"
    assert "<title>seven</title>" in (stored / "a.html").read_text(encoding="utf-8")
    assert (stored / "a.svg").read_text(encoding="utf-8").startswith("<svg ")
    assert json.loads((stored / "a.json").read_text(encoding="utf-8"))["traceEvents"]


def test_runs_that_are_the_same_exit_0(retrysim, stored):
    ended = retrysim("trace", "--diff", "seven.ndjson", "seven.ndjson")

    assert (ended.code, ended.out) == (0, "the same happened in both: 5 events\n")


def test_runs_that_part_exit_1_and_the_event_is_told(retrysim, stored):
    ended = retrysim("trace", "--diff", "seven.ndjson", "eight.ndjson")

    assert ended.code == 1
    assert ended.out.startswith(
        "the runs part after 3 equal events\n"
        "  both  12:00:00  +0s  started  add[aaaa-1]  attempt 1 on w1\n"
        "  A     12:00:00  +0s  SUCCESS  add[aaaa-1]  7\n"
        "  B     12:00:00  +0s  SUCCESS  add[aaaa-1]  8\n"
    )


def test_where_runs_part_is_told_to_a_machine(retrysim, stored):
    ended = retrysim("trace", "--diff", "seven.ndjson", "eight.ndjson", "--json")

    told = json.loads(ended.out)
    assert (ended.code, told["same"], told["equal"], told["a"]["result"], told["b"]["result"]) == (
        1,
        False,
        3,
        "7",
        "8",
    )


@pytest.mark.parametrize("arguments", [[], ["seven.ndjson", "--diff", "seven.ndjson", "eight.ndjson"]])
def test_one_trace_or_two_are_expected(retrysim, stored, arguments):
    ended = retrysim("trace", *arguments)

    assert ended.code == 2
    assert ended.err.endswith("Error: expected a trace (retrysim run --trace DIR keeps them), or --diff with two\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no.ndjson",
            "no.ndjson: expected a trace, as `retrysim run --trace DIR` keeps it; No such file or directory\n",
        ),
        ("text.ndjson", "text.ndjson: not a trace of retrysim: its first line is not the header of one\n"),
        ("empty.ndjson", "empty.ndjson: not a trace of retrysim: its first line is not the header of one\n"),
        ("cut.ndjson", "cut.ndjson: line 4: expected an event as JSON; was the file cut?\n"),
        ("bytes.ndjson", "bytes.ndjson: not a trace of retrysim: expected text in UTF-8\n"),
    ],
)
def test_a_file_that_is_no_trace_is_one_message(retrysim, stored, name, message):
    (stored / "text.ndjson").write_text("hello", encoding="utf-8")
    (stored / "empty.ndjson").write_text("")
    whole = (stored / "seven.ndjson").read_text(encoding="utf-8").splitlines()
    (stored / "cut.ndjson").write_text("\n".join([*whole[:3], whole[3][:20]]), encoding="utf-8")
    (stored / "bytes.ndjson").write_bytes(b"\xff\xfe\x00")

    ended = retrysim("trace", name)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(message)
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--diff", "seven.ndjson", "seven.ndjson", "--html", "a.html"],
            "--html, --svg, --perfetto, --report and --each are of one run: leave out --diff",
        ),
        (["seven.ndjson", "--json", "--report"], "expected one of --json, --report and --each"),
    ],
)
def test_options_of_which_one_would_be_ignored_exit_2(retrysim, stored, arguments, message):
    ended = retrysim("trace", *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith(f"Error: {message}\n")


def test_a_picture_that_cannot_be_written_is_one_message(retrysim, stored):
    ended = retrysim("trace", "seven.ndjson", "--svg", "nowhere/a.svg")

    assert ended.code == 2
    assert ended.err == "nowhere/a.svg: expected a file that can be written; No such file or directory\n"


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\x08\x00\r\u202e\u2028\ud800\uffff\x7f[/nope]</script>"
HOSTILE_SHOWN = r"\x1b]0;title\x07\x1b[2J\x9b31m\x08\x00\x0d\u202e\u2028\ud800\uffff\x7f[/nope]</script>"
UNSEEN = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff\uffff]|\x1b(?!\\[[0-9;]*m)")


@pytest.fixture
def hostile(stored):
    """A trace whose texts hold whatever could do harm."""
    start = 1_438_603_200 * 10**9
    events = [
        WorkerReady(at_ns=start, worker=HOSTILE, concurrency=1),
        TaskSent(at_ns=start, task_id=HOSTILE, name=HOSTILE, queue=HOSTILE, retries=0, eta_ns=None, parent_id=None),
        TaskStarted(at_ns=start, task_id=HOSTILE, name=HOSTILE, worker=HOSTILE, attempt=1),
        TaskFailed(at_ns=start, task_id=HOSTILE, attempt=1, exception=f"E: {HOSTILE}", traceback=HOSTILE),
        FaultFired(at_ns=start, name=HOSTILE, verb="kill", target=HOSTILE),
        RunEnded(at_ns=start, idle=True, holding=((HOSTILE, HOSTILE),), blocked=(HOSTILE,)),
    ]
    (stored / "hostile.ndjson").write_text(dump_ndjson(Trace(start_ns=start, events=events)), encoding="utf-8")
    return stored


@pytest.mark.parametrize(
    "arguments",
    [
        ["hostile.ndjson"],
        ["hostile.ndjson", "--each"],
        ["hostile.ndjson", "--report"],
        ["hostile.ndjson", "--json"],
        ["--diff", "hostile.ndjson", "seven.ndjson"],
        ["--diff", "hostile.ndjson", "seven.ndjson", "--json"],
        ["hostile.ndjson", "--task", "none"],
    ],
)
@pytest.mark.parametrize("color", [True, False])
def test_nothing_in_a_trace_steers_the_terminal(retrysim, hostile, arguments, color):
    ended = retrysim("trace", *arguments, color=color)

    assert ended.code < 3
    assert (ended.out + ended.err) != ""
    assert UNSEEN.search(ended.out + ended.err) is None


def test_a_text_that_could_steer_a_terminal_is_shown_as_escapes(retrysim, hostile):
    ended = retrysim("trace", "hostile.ndjson")

    assert (
        "FAILURE   " + HOSTILE_SHOWN.rpartition(".")[2] + f"[{HOSTILE_SHOWN[:8]}]  E: {HOSTILE_SHOWN}\n"
    ) in ended.out


def test_a_picture_of_such_a_trace_is_whole(retrysim, hostile):
    ended = retrysim("trace", "hostile.ndjson", "--svg", "a.svg", "--html", "a.html", "--perfetto", "a.json")

    pages = [(hostile / name).read_text(encoding="utf-8") for name in ("a.svg", "a.html", "a.json")]
    assert ended.code == 0
    assert ElementTree.fromstring(pages[0]).tag == "{http://www.w3.org/2000/svg}svg"
    assert json.loads(pages[2])["traceEvents"][2]["args"]["name"] == HOSTILE_SHOWN
    assert [UNSEEN.search(page) for page in pages] == [None, None, None]
