"""What is drawn: SVG, the page, and the trace events of Chrome."""

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import runs

from retrysim.reports import html_report, perfetto_report, svg_report
from retrysim.trace import Trace, dump_ndjson

GOLDEN = Path(__file__).parent / "golden"
DRAW = """
import sys
from retrysim.reports import html_report, perfetto_report, svg_report
from retrysim.trace import load_ndjson
trace = load_ndjson(sys.stdin.read())
print(html_report(trace, title="a run"), svg_report(trace), perfetto_report(trace))
"""


def classes(svg):
    return {name for element in ET.fromstring(svg).iter() for name in element.get("class", "").split()}


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


# -- SVG ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["refused_and_retried", "killed"])
def test_the_svg_is_the_stored_one(name):
    svg = svg_report(getattr(runs, name)())

    assert svg == (GOLDEN / f"{name}.svg").read_text(encoding="utf-8")


def test_the_svg_shows_the_limit_refused_calls_lanes_and_the_fold(refused_and_retried):
    svg = svg_report(refused_and_retried)

    assert {"served", "refused", "limit", "fold", "SUCCESS", "RETRY", "FAILURE", "queued"} <= classes(svg)
    assert {"limit 3", "12:00:00", "12:15:00", "+15m", "15m", "worker-1", "/timeline"} <= set(" ".join(texts(svg)).split(" ")) | set(texts(svg))  # fmt: skip


def test_the_svg_marks_faults(killed):
    svg = svg_report(killed)

    assert {"fault", "KILLED"} <= classes(svg)
    assert "kill worker-1 (node lost)" in texts(svg)


def test_the_svg_of_nothing_says_so():
    assert "nothing was attempted" in texts(svg_report(Trace()))


def test_texts_of_the_run_cannot_break_the_svg():
    run = runs.Run()
    run.ready("<worker & co>", 1)
    run.started("a", worker="<worker & co>")
    run.succeeded("a")

    assert "<worker & co>" in texts(svg_report(run.trace))


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_else(refused_and_retried):
    page = html_report(refused_and_retried, title="a run")

    assert re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", page) == ["data:,", "#tasks"]
    assert "@import" not in page
    assert "url(" not in page
    assert "fetch(" not in page


def test_texts_of_the_run_cannot_break_the_page():
    run = runs.Run()
    run.sent("a")
    run.started("a")
    run.failed("a", "ValueError: </script><script>alert(1)</script>")

    page = html_report(run.trace, title="<b>a & b</b>", failure="<i>no</i>")

    assert "<script>alert" not in page
    assert "<title>&lt;b&gt;a &amp; b&lt;/b&gt;</title>" in page
    assert "&lt;i&gt;no&lt;/i&gt;" in page


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (runs.refused_and_retried, "1 failed of 5 tasks"),
        (runs.killed, "1 lost of 2 tasks"),
        (Trace, "No task was sent"),
    ],
)
def test_the_page_begins_with_what_became_of_the_tasks(run, sentence):
    page = html_report(run(), title="a run")

    assert re.search(r'<p class="verdict \w+">([^<]*)</p>', page)[1] == sentence


def test_the_page_of_a_failing_test_begins_with_what_does_not_hold(refused_and_retried):
    page = html_report(refused_and_retried, title="a run", failure="no_task_is_lost: it is\n  task x")

    assert '<p class="verdict bad">no_task_is_lost: it is</p>' in page


def test_the_data_of_the_page_hold_every_task_and_its_story(refused_and_retried):
    page = html_report(refused_and_retried, title="a run")

    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)[1])
    names = [row[0] for row in data["tasks"]]
    assert names == list(refused_and_retried.tasks)
    [*_, story] = data["tasks"][4]
    assert [data["texts"][line[1]] for line in story][-3:] == ["started", "call", "FAILURE"]
    assert data["instants"] == [["12:00:00", "+0s"], ["12:15:00", "+15m"]]


def test_the_same_trace_gives_the_same_bytes(refused_and_retried):
    text = dump_ndjson(refused_and_retried)

    drawn = {
        subprocess.run(
            [sys.executable, "-c", DRAW],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for seed in ("1", "2")
    }

    assert len(drawn) == 1


def test_5000_attempts_are_drawn_in_less_than_3_seconds(many):
    began = time.process_time()  # another process may have the machine

    html_report(many, title="many")

    assert sum(len(task.attempts) for task in many.tasks.values()) == 5_000
    assert time.process_time() - began < 3


# -- Chrome's trace events ---------------------------------------------------------------------------------------------

#: What the Trace Event Format asks of each phase that is written.
FIELDS = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "ts", "dur", "pid", "tid", "args"},
    "i": {"name", "cat", "s", "ts", "pid", "tid", "args"},
    "C": {"name", "ts", "pid", "tid", "args"},
}


@pytest.mark.parametrize("run", [runs.refused_and_retried, runs.killed, lambda: runs.many(300), Trace])
def test_every_trace_event_has_what_its_phase_asks_for(run):
    document = json.loads(perfetto_report(run()))

    assert document["displayTimeUnit"] == "ms"
    for event in document["traceEvents"]:
        assert set(event) == FIELDS[event["ph"]] | {"ph"}
        assert all(type(event[name]) is int and event[name] >= 0 for name in ("pid", "tid"))
        for name in {"ts", "dur"} & set(event):
            assert event[name] >= 0
            assert event[name] == round(event[name], 3)  # microseconds, with the three digits that Perfetto reads
        assert event.get("s", "t") in {"g", "p", "t"}
        if event["ph"] == "C":
            assert all(type(value) is int for value in event["args"].values())


def test_slices_of_one_thread_do_not_overlap():
    events = json.loads(perfetto_report(runs.many(300)))["traceEvents"]
    ends = {}
    for event in sorted((e for e in events if e["ph"] == "X"), key=lambda e: e["ts"]):
        thread = event["pid"], event["tid"]
        assert event["dur"] > 0, "Perfetto draws a slice inside the one that began at the same instant"
        assert nanoseconds(event["ts"]) >= ends.get(thread, 0)
        ends[thread] = nanoseconds(event["ts"] + event["dur"])


def nanoseconds(microseconds):
    return round(microseconds * 1_000)


def test_what_happens_at_one_instant_is_side_by_side_after_it():
    events = json.loads(perfetto_report(runs.refused_and_retried()))["traceEvents"]

    slices = sorted((e["tid"], e["ts"], e["dur"]) for e in events if e["ph"] == "X")
    assert slices == [
        (20001, 0, 0.001),
        (20001, 0.001, 0.001),
        (20001, 0.002, 0.001),
        (20001, 900000000, 0.001),
        (20002, 0, 0.001),
        (20002, 0.001, 0.001),
        (20002, 900000000, 0.001),
    ]


def test_a_call_is_drawn_in_its_attempt():
    events = json.loads(perfetto_report(runs.refused_and_retried()))["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]

    for call in (e for e in events if e["ph"] == "i"):
        [attempt] = [e for e in slices if e["tid"] == call["tid"] and e["ts"] <= call["ts"] < e["ts"] + e["dur"]]
        assert attempt["args"]["task"] == call["args"]["task"]


def test_no_thread_is_taken_for_the_main_one_of_its_process(killed):
    for run in (killed, runs.many(300)):
        events = json.loads(perfetto_report(run))["traceEvents"]
        threads = {(e["pid"], e["tid"]) for e in events if e["ph"] in "Xi"}
        assert len({tid for _, tid in threads}) == len(threads)
        assert not {tid for _, tid in threads} & {pid for pid, _ in threads}


def test_attempts_calls_and_faults_are_trace_events(killed):
    events = json.loads(perfetto_report(killed))["traceEvents"]

    names = [(e["name"], e["args"]["name"]) for e in events if e["ph"] == "M"]
    assert names == [
        ("process_name", "the run"),
        ("thread_name", "outside of tasks"),
        ("process_name", "worker-1"),
        ("thread_name", "slot 1"),
        ("process_name", "worker-2"),
        ("thread_name", "slot 1"),
    ]
    slices = [(e["name"], e["cat"], e["ts"], e["dur"], e["pid"]) for e in events if e["ph"] == "X"]
    assert slices == [("fetch", "KILLED", 0, 2_000_000, 2), ("fetch", "SUCCESS", 0, 3_000_000, 3)]
    assert [(e["name"], e["ts"]) for e in events if e["ph"] == "i"] == [("kill worker-1 (node lost)", 2_000_000)]
    waiting = {"in a queue": 0, "with a worker": 0}
    assert [(e["ts"], e["args"]) for e in events if e["ph"] == "C"] == [
        (ts, waiting) for ts in (0, 2_000_000, 3_000_000)
    ]
