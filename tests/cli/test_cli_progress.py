"""The progress line: what it says, where it appears, and that it goes away."""

from __future__ import annotations

import threading

import pytest

from retrysim.cli import progress
from retrysim.cli.progress import Count, Progress, Tally
from retrysim.trace import TaskRetried, TaskStarted, TaskSucceeded, Trace


def started(trace, at_ns, task_id):
    trace.append(TaskStarted(at_ns=at_ns, task_id=task_id, name="t", worker="w", attempt=1))


class Out:
    """A stream that says when something was written."""

    def __init__(self):
        self.text = ""
        self.written = threading.Event()

    def write(self, text):
        self.text += text
        self.written.set()

    def flush(self):
        pass


def test_the_line_tells_virtual_time_settled_tasks_and_attempts_per_second():
    trace = Trace()
    tally = Tally(trace)
    started(trace, 0, "a")
    started(trace, 0, "b")
    trace.append(TaskRetried(at_ns=0, task_id="b", attempt=1, due_ns=1, exception=""))
    trace.append(TaskSucceeded(at_ns=90_500_000_000, task_id="a", attempt=1, result=""))

    assert tally.line(2.0) == "00:01:30 (+1m30s), 1 task settled, 1 attempts/s"

    trace.append(TaskSucceeded(at_ns=100_000_000_000, task_id="b", attempt=1, result=""))

    assert tally.line(4.0) == "00:01:40 (+1m40s), 2 tasks settled, 0 attempts/s"


def test_a_long_run_is_told_and_the_line_is_taken_away(monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0.001)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    out = Out()

    with Progress(out) as watcher:
        watcher.watch(Trace())
        assert out.written.wait(10)

    assert out.text.startswith("\r\x1b[K00:00:00 (+0s), 0 tasks settled, 0 attempts/s")
    assert out.text.endswith("\r\x1b[K")
    assert "retrysim progress" not in [thread.name for thread in threading.enumerate()]


def test_of_items_in_parallel_the_line_names_one_and_counts_what_is_done():
    out = Out()

    count = Count(out, 4)
    count.begin(0, "a.scenario.yaml[worker]")
    count.begin(1, "b.scenario.yaml[worker]")
    count.begin(2, "b.scenario.yaml[eager]")
    count.end(0, done=2)  # one was skipped
    count.end(2, done=3)
    count.end(1, done=4)
    count.clear()

    assert out.text.split("\r\x1b[K")[1:] == [
        "0 of 4 items played; playing a.scenario.yaml[worker]",
        "0 of 4 items played; playing a.scenario.yaml[worker] and 1 more",
        "0 of 4 items played; playing a.scenario.yaml[worker] and 2 more",
        "2 of 4 items played; playing b.scenario.yaml[worker] and 1 more",
        "3 of 4 items played; playing b.scenario.yaml[worker]",
        "4 of 4 items played",
        "",
    ]


def test_a_short_run_is_not_told():
    out = Out()

    with Progress(out) as watcher:
        watcher.watch(Trace())

    assert out.text == ""


@pytest.mark.parametrize(
    ("tty", "term", "wanted"), [(True, "xterm", True), (True, "dumb", False), (False, "xterm", False)]
)
def test_only_a_terminal_is_told(monkeypatch, tty, term, wanted):
    monkeypatch.setattr("sys.stderr.isatty", lambda: tty, raising=False)
    monkeypatch.setenv("TERM", term)

    assert progress.wants_progress() is wanted
