"""What is worse than in the run without a fault, and what is only different."""

from dataclasses import replace

import pytest
from tests.explore.conftest import items

from retrysim.durations import MINUTE
from retrysim.exploring.found import scenario_values
from retrysim.exploring.outcome import Harm, harms_of
from retrysim.exploring.subject import subject_of
from retrysim.exploring.trial import TaskFacts, Trial, TrialResult


def run(**calls):
    """A run in which each task ends in SUCCESS and has called ``POST /mail`` so often."""
    return TrialResult(
        tasks={
            task: TaskFacts(
                name=task, state="SUCCESS", sent_ns=0, settled_ns=1, successes=1, attempts=1,
                effects={"POST /mail": count} if count else {}, silent=not count,
            )
            for task, count in calls.items()
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "harms"),
    [
        ({"first": 1, "second": 0}, {"first": 0, "second": 1}, set()),
        ({"first": 1, "second": 0}, {"first": 1, "second": 1}, {("second", "twice")}),
        ({"first": 1, "second": 0}, {"first": 0, "second": 0}, {("first", "lost")}),
        ({"first": 1, "second": 1}, {"first": 0, "second": 2}, {("first", "lost"), ("second", "twice")}),
        ({"first": 1, "second": 1, "third": 0}, {"first": 0, "second": 0, "third": 1}, {
            ("first", "lost"), ("second", "lost"), ("third", "twice"),
        }),
    ],
)  # fmt: skip
def test_a_call_that_another_task_makes_instead_is_neither_lost_nor_doubled(before, now, harms):
    found = harms_of(run(**now), run(**before))

    assert {(harm.task, harm.worst) for harm in found} == harms


@pytest.mark.parametrize(
    ("before", "now", "harms"),
    [
        ({"work": 0}, {"work": 1}, []),
        ({"work": 0}, {"work": 2}, [("work", 2)]),
        ({"work": 0}, {"work": 0, "tidy_up": 1}, []),
        ({"work": 1}, {"work": 1, "successor": 1}, [("successor", 2)]),
    ],
)
def test_a_call_that_only_a_failure_leads_to_repeats_nothing(before, now, harms):
    found = harms_of(run(**now), run(**before))

    assert [(harm.task, harm.times) for harm in found] == harms


@pytest.mark.parametrize(
    ("before", "harm", "asked"),
    [
        ({"quiet": 1}, {"task": "quiet", "times": 2}, {"task": "quiet"}),
        ({"use": 1, "quiet": 0}, {"task": "quiet", "times": 1}, {"in_all": 1}),
        ({"use": 2, "quiet": 1}, {"task": "quiet", "times": 2}, {"task": "quiet"}),
    ],
)
def test_the_file_of_a_call_that_a_second_task_makes_counts_those_of_all_tasks(before, harm, asked):
    harm = Harm(label=harm["task"], worst="twice", detail="POST /mail", **harm)

    values = scenario_values(subject_of(items("submit: [{task: quiet}]\n"), None, None), Trial(), harm, run(**before))

    ((_, arguments),) = values["expect"]["invariants"][0].items()
    assert arguments == {"endpoint": "POST /mail", **asked}


@pytest.mark.parametrize(
    ("end", "harms"),
    [
        ({"state": "FAILURE", "failure": "ValueError"}, [("sender", "failed", False), ("sent", "lost", True)]),
        ({"state": "STARTED", "settled_ns": None, "lost": "nobody has it"}, [
            ("sender", "lost", False), ("sent", "lost", True),
        ]),
        ({"state": "PENDING", "settled_ns": None}, [("sender", "late", False), ("sent", "late", True)]),
        ({}, [("sent", "lost", False)]),
    ],
)  # fmt: skip
def test_a_task_that_is_not_sent_because_of_its_sender_is_no_harm_of_its_own(end, harms):
    base = run(sender=1, sent=1)
    ended = TrialResult(tasks={"sender": replace(base.tasks["sender"], **end)})

    assert [(harm.task, harm.worst, harm.follows) for harm in harms_of(ended, base)] == harms


@pytest.mark.parametrize(("sent_min", "settled_min", "follows"), [(30, 31, True), (0, 31, False), (30, 50, False)])
def test_a_task_that_is_late_because_it_was_sent_later_is_no_finding_of_its_own(sent_min, settled_min, follows):
    facts = TaskFacts(
        name="shop.merge", state="SUCCESS", sent_ns=0, settled_ns=1 * MINUTE, successes=1, attempts=1, effects={}, silent=True
    )  # fmt: skip
    late = replace(facts, sent_ns=sent_min * MINUTE, settled_ns=settled_min * MINUTE)

    (harm,) = harms_of(TrialResult(tasks={"merge#1": late}), TrialResult(tasks={"merge#1": facts}))

    assert (harm.worst, harm.late_ns, harm.follows) == ("late", (settled_min - 1) * MINUTE, follows)
