"""A run in real time is judged by what it did exactly, and by when it did it within a tolerance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrysim.durations import SECOND
from retrysim.outcomes.approximate import judge_approximately
from retrysim.outcomes.comparison import agree, compare, table
from retrysim.outcomes.expectations import Run
from retrysim.outcomes.outcome import Outcome
from retrysim.scenarios import items_of, load
from retrysim.trace import FaultFired, RunEnded, TaskFailed, TaskRetried, TaskSent, TaskStarted, TaskSucceeded, Trace


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


def test_two_runs_agree_when_their_instants_differ_within_the_tolerance(tmp_path):
    item = an_item(tmp_path, "{}")
    simulated = an_outcome(item, a_run(retried_s=0.1, started_s=2.1, ended_s=2.1))

    rows = compare(simulated, an_outcome(item, a_run()), SECOND // 4, 1)

    assert agree(rows)
    assert table(rows) == (
        "    simulated   live\n"
        "            1      1  proj.add: RETRY SUCCESS in 2 attempts\n"
        "               100ms  real time that 2 starts are late, in the median; within 250ms\n"
        "               100ms  real time that 2 starts are apart otherwise, in the median; within 1s\n"
        "               200ms  real time that 2 starts are early or late at most; within 250ms\n"
        "            0      0  starts that came before one which is 2s of real time earlier\n"
        "  ~      2.1s   2.4s  elapsed, within 250ms"
    )


def test_a_difference_is_marked(tmp_path):
    item = an_item(tmp_path, "{}")

    rows = compare(an_outcome(item, a_run()), an_outcome(item, a_run(end=TaskFailed)), SECOND, 1)

    assert table(rows) == (
        "    simulated  live\n"
        "  !         0     1  proj.add: RETRY FAILURE in 2 attempts\n"
        "  !         1     0  proj.add: RETRY SUCCESS in 2 attempts\n"
        "  !         0     1  proj.add: FAILURE by ValueError: no\n"
        "                 0s  real time that 2 starts are late, in the median; within 1s\n"
        "                 0s  real time that 2 starts are apart otherwise, in the median; within 1s\n"
        "                 0s  real time that 2 starts are early or late at most; within 1s\n"
        "            0     0  starts that came before one which is 2s of real time earlier\n"
        "         2.4s  2.4s  elapsed, within 1s"
    )


def differences(tmp_path, simulated, live, *, scale=1):
    item = an_item(tmp_path, "{}")
    rows = compare(an_outcome(item, simulated), an_outcome(item, live), 80 * SECOND, scale)
    return [row.what for row in rows if not row.same]


def test_a_start_that_is_late_by_far_less_than_the_tolerance_makes_the_arms_disagree(tmp_path):
    """At 20 times the speed 80 s are 4 s: most starts are within one."""
    on_time, late = starts_at(*[0, 30, 60, 90] * 5), starts_at(*[0, 30, 110, 140] * 5)

    assert differences(tmp_path, on_time, starts_at(*[12, 42, 60, 90] * 5), scale=20) == []
    assert differences(tmp_path, on_time, late, scale=20) == [
        "real time that 20 starts are apart otherwise, in the median; within 1s"
    ]


def test_a_few_starts_are_shown_and_do_not_count(tmp_path):
    item = an_item(tmp_path, "{}")
    few, many = (
        compare(an_outcome(item, starts_at(*range(n))), an_outcome(item, starts_at(*range(30, 30 + n))), SECOND, 1)
        for n in (19, 20)
    )

    [line] = [line for line in table(few).splitlines() if "19 starts are late" in line]
    assert " ".join(line.split()) == "~ 30s real time that 19 starts are late, in the median; within 1s"
    assert (agree(few), agree(many)) == (True, False)


def starts_at(*seconds):
    start_ns = 1_577_836_800 * SECOND
    events = [
        TaskStarted(at_ns=start_ns + at_s * SECOND, task_id=f"{n}", name=f"proj.n{n}", worker="worker-1", attempt=1)
        for n, at_s in enumerate(seconds)
    ]
    return Run(trace=Trace(start_ns=start_ns, events=events), end_ns=start_ns, results={}, submitted=[])


def test_how_soon_a_machine_recovers_from_a_fault_does_not_count(tmp_path):
    def struck(run):
        at_ns = run.trace.start_ns
        fault = FaultFired(at_ns=at_ns, name="f", verb="kill", target="worker-1")
        return replace(run, trace=Trace(start_ns=at_ns, events=[fault, *run.trace]))

    item = an_item(tmp_path, "{}")
    on_time, late = starts_at(*range(20)), starts_at(*range(9, 29))
    outcomes = an_outcome(item, on_time), an_outcome(item, late)
    of_struck = an_outcome(item, struck(on_time)), an_outcome(item, struck(late))

    assert not agree(compare(*outcomes, 2 * SECOND, 1))
    assert agree(compare(*of_struck, 2 * SECOND, 1))
    assert "  ~" in table(compare(*of_struck, 2 * SECOND, 1))


def test_the_order_of_tasks_is_judged_where_it_is_no_race(tmp_path):
    def two(first_s, second_s):
        start_ns = 1_577_836_800 * SECOND
        starts = {"proj.one": first_s, "proj.two": second_s, "proj.other": 5, "proj.more": 5, "proj.most": 5}
        events = [
            TaskStarted(at_ns=start_ns + int(at_s * SECOND), task_id=name, name=name, worker="worker-1", attempt=1)
            for name, at_s in starts.items()
        ]
        return Run(trace=Trace(start_ns=start_ns, events=events), end_ns=start_ns, results={}, submitted=[])

    item = an_item(tmp_path, "{}")
    compared = compare(an_outcome(item, two(1, 3)), an_outcome(item, two(3, 2.5)), 2 * SECOND, 1)
    assert "0     1  starts that came before one which is 2s of real time earlier" in table(compared)
    reversed_ = ["starts that came before one which is 2s of real time earlier"]
    assert differences(tmp_path, two(1, 3), two(3, 2.5)) == reversed_
    assert differences(tmp_path, two(1, 2.9), two(3, 2.5)) == []
    assert differences(tmp_path, two(1, 3), two(3, 2.5), scale=2) == []


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("ValueError: row 4", "ValueError: row 5", False),
        ("KeyError: 1", "ValueError: 1", False),
        ("ChordError: 6bd68f8b-88e0-4a58-8b79-ffbf7f0b6269 no", "ChordError: 955fcb8e-6644-4a27-943d-ac649d1ca962 no", True),
        ("WorkerLostError: signal 9 (SIGKILL) Job: 3.", "WorkerLostError: signal 9 (SIGKILL) Job: 7.", True),
        ("WorkerLostError: signal 9 (SIGKILL) Job: 3.", "WorkerLostError: signal 11 (SIGSEGV) Job: 3.", False),
        ("E: <object at 0x7f0a>", "E: <object at 0x7f0b>", True),
    ],
)  # fmt: skip
def test_errors_are_compared_but_for_what_each_run_has_for_itself(tmp_path, one, other, alike):
    def fails(exception):
        run = a_run(end=TaskFailed)
        events = [replace(e, exception=exception) if isinstance(e, TaskFailed) else e for e in run.trace]
        return replace(run, trace=Trace(start_ns=run.trace.start_ns, events=events))

    assert (not differences(tmp_path, fails(one), fails(other))) == alike
