"""A run in real time is judged by what it did exactly, and by when it did it within a tolerance."""

from __future__ import annotations

import pytest

from retrysim.durations import SECOND
from retrysim.outcomes import Run
from retrysim.outcomes.approximate import judge_approximately
from retrysim.outcomes.comparison import agree, compare, table
from retrysim.outcomes.outcome import Outcome
from retrysim.scenarios import items_of, load
from retrysim.trace import RunEnded, TaskFailed, TaskRetried, TaskSent, TaskStarted, TaskSucceeded, Trace


def an_item(tmp_path, expect):
    file = tmp_path / "a.scenario.yaml"
    file.write_text(f"name: a\napp: proj:app\nsubmit: [{{task: add}}]\nexpect: {expect}\n")
    return items_of(load(file))[0]


def a_run(retried_s=0.2, started_s=2.3, ended_s=2.4, end=TaskSucceeded):
    start_ns = 1_577_836_800 * SECOND

    def at(seconds):
        return {"at_ns": start_ns + int(seconds * SECOND), "task_id": "1"}

    ends = {"result": "7"} if end is TaskSucceeded else {"exception": "ValueError: no", "traceback": ""}
    sent = {"name": "proj.add", "queue": "celery", "parent_id": None}
    events = [
        TaskSent(**at(0), **sent, retries=0, eta_ns=None),
        TaskStarted(**at(0.1), name="proj.add", worker="worker-1", attempt=1),
        TaskRetried(**at(retried_s), attempt=1, due_ns=0, exception=""),
        TaskStarted(**at(started_s), name="proj.add", worker="worker-1", attempt=2),
        end(**at(ended_s), attempt=2, **ends),
        RunEnded(at_ns=start_ns + int(ended_s * SECOND), idle=True, holding=()),
    ]
    return Run(
        trace=Trace(start_ns=start_ns, events=events), end_ns=events[-1].at_ns, results={"1": 7}, submitted=["1"]
    )


@pytest.mark.parametrize(
    "expect",
    [
        "{elapsed: 2s}",
        "{attempts_at: [0s, 2s]}",
        "{timelines: {RETRY 2s SUCCESS: 1}}",
        "{retried: {tasks: 1, at: 2s}}",
    ],
)
def test_instants_are_judged_within_the_tolerance(tmp_path, expect):
    item = an_item(tmp_path, expect)

    assert judge_approximately(item, a_run(), SECOND // 2) == []
    assert [finding.invariant for finding in judge_approximately(item, a_run(), SECOND // 10)]


@pytest.mark.parametrize("expect", ["{states: {FAILURE: 1}}", "{attempts: 3}", "{retried: {tasks: 2}}", "{results: 8}"])
def test_all_else_is_judged_exactly(tmp_path, expect):
    assert judge_approximately(an_item(tmp_path, expect), a_run(), 3600 * SECOND)


def test_the_order_of_states_has_no_tolerance(tmp_path):
    item = an_item(tmp_path, "{timelines: {SUCCESS: 1}}")

    [finding] = judge_approximately(item, a_run(), 3600 * SECOND)

    assert finding.problems[0].text == (
        "expected 'SUCCESS' (within 1h), got 200ms RETRY 2.2s SUCCESS; proj.add[1]: 200ms RETRY 2.2s SUCCESS"
    )


def an_outcome(item, run):
    elapsed_ns = run.end_ns - run.trace.start_ns
    return Outcome(item=item, trace=run.trace, findings=[], elapsed_ns=elapsed_ns, wall_ns=0)


def test_two_runs_agree_when_only_their_instants_differ(tmp_path):
    item = an_item(tmp_path, "{}")
    simulated = an_outcome(item, a_run(retried_s=0.1, started_s=2.1, ended_s=2.1))

    rows = compare(simulated, an_outcome(item, a_run()), SECOND // 10)

    assert agree(rows)
    assert table(rows) == (
        "    simulated  live\n"
        "            1     1  proj.add: RETRY SUCCESS in 2 attempts\n"
        "  ~      2.1s  2.4s  elapsed, within 100ms"
    )


def test_a_difference_is_marked(tmp_path):
    item = an_item(tmp_path, "{}")

    rows = compare(an_outcome(item, a_run()), an_outcome(item, a_run(end=TaskFailed)), SECOND)

    assert table(rows) == (
        "    simulated  live\n"
        "  !         0     1  proj.add: RETRY FAILURE in 2 attempts\n"
        "  !         1     0  proj.add: RETRY SUCCESS in 2 attempts\n"
        "         2.4s  2.4s  elapsed, within 1s"
    )
